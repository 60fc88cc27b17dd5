// Kernels that move elements without arithmetic. They move bytes a row at a time, and so need no instruction set.
#pragma once

#include <cstdint>
#include <span>

#include "convoy/shape.h"

namespace convoy::kernels {

void fill(int64_t count, float value, float* output);
void copy(int64_t count, const float* input, float* output);

// Joins along one axis: input i is {rows, widths[i]}, output is {rows, sum of the widths}.
void concat(int64_t rows, std::span<const int64_t> widths, std::span<const float* const> inputs, float* output);
// Columns [offset, offset + width) of input {rows, input_width}.
void slice(int64_t rows, int64_t input_width, int64_t offset, int64_t width, const float* input, float* output);
// The gradient of slice: output {rows, output_width} is input {rows, width} at column `offset`, zero elsewhere.
void unslice(int64_t rows, int64_t output_width, int64_t offset, int64_t width, const float* input, float* output);

// output's axis i is input's axis order[i]: output.shape[i] = shape[order[i]].
void permute(const Shape& shape, std::span<const int> order, const float* input, float* output);

}  // namespace convoy::kernels
