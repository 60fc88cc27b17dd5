// Kernels that move elements, floats, brain floats or bytes, without arithmetic. They move bytes a row at a time, and
// so need no instruction set.
#pragma once

#include <cstdint>
#include <span>

#include "convoy/shape.h"

namespace convoy::kernels {

void fill(int64_t count, float value, float* output);
template <class Element>
void copy(int64_t count, const Element* input, Element* output);

// `width` columns of each row, from `offset` on, from input, and zeros in all other columns.
template <class Element>
void pad(int64_t rows, int64_t width, const Element* input, int64_t output_width, int64_t offset, Element* output);

// output's axis i is input's axis order[i]: output.shape[i] = shape[order[i]].
template <class Element>
void permute(const Shape& shape, std::span<const int> order, const Element* input, Element* output);

}  // namespace convoy::kernels
