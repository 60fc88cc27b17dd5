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

// Matrices of `rows` rows: columns [offset, offset + width) of input become output, and the other way round.
template <class Element>
void extract(int64_t rows, int64_t input_width, int64_t offset, const Element* input, int64_t width, Element* output);
template <class Element>
void insert(int64_t rows, int64_t width, const Element* input, int64_t output_width, int64_t offset, Element* output);
// insert, and zeros in all other columns of output.
template <class Element>
void pad(int64_t rows, int64_t width, const Element* input, int64_t output_width, int64_t offset, Element* output);

// output's axis i is input's axis order[i]: output.shape[i] = shape[order[i]].
template <class Element>
void permute(const Shape& shape, std::span<const int> order, const Element* input, Element* output);

}  // namespace convoy::kernels
