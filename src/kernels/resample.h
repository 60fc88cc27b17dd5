// The two passes of resampling 8-bit RGB pixels with fixed-point weights.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convoy::kernels {

// Weights are fractions of 2^22, the sums of an output's weights' absolute values below 2^23.
inline constexpr int kResampleBits = 22;

// Which inputs each output reads: output i is the weighted sum of inputs first[i] ... first[i] + count[i] - 1, with the
// weights from weights + i * capacity on.
struct ResampleTaps {
  const int32_t* first;
  const int32_t* count;
  const int32_t* weights;
  int64_t capacity;
};

struct ResampleKernels {
  // `rows` rows of `input_width` RGB pixels that are `stride` bytes apart; those of `output` have `output_width` pixels
  // and lie without gaps.
  void (*rows)(const uint8_t* input, ptrdiff_t stride, int64_t rows, int64_t input_width, const ResampleTaps& taps,
               int64_t output_width, uint8_t* output);
  // One row out of `count` rows that are `stride` bytes apart: output[i] is the weighted sum over the rows of byte i.
  void (*column)(const uint8_t* input, ptrdiff_t stride, int64_t count, const int32_t* weights, int64_t bytes,
                 uint8_t* output);
};

const ResampleKernels& resample_kernels();

}  // namespace convoy::kernels
