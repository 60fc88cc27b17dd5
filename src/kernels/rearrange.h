// Kernels that move elements without arithmetic. They move bytes a row at a time, and so need no instruction set.
#pragma once

#include <cstdint>
#include <span>

#include "convoy/shape.h"

namespace convoy::kernels {

void fill(int64_t count, float value, float* output);
void copy(int64_t count, const float* input, float* output);

// Matrices of `rows` rows: columns [offset, offset + width) of input become output, and the other way round.
void extract(int64_t rows, int64_t input_width, int64_t offset, const float* input, int64_t width, float* output);
void insert(int64_t rows, int64_t width, const float* input, int64_t output_width, int64_t offset, float* output);
// insert, and zeros in all other columns of output.
void pad(int64_t rows, int64_t width, const float* input, int64_t output_width, int64_t offset, float* output);

// output's axis i is input's axis order[i]: output.shape[i] = shape[order[i]].
void permute(const Shape& shape, std::span<const int> order, const float* input, float* output);

}  // namespace convoy::kernels
