// Numbers as bytes, and back.
#pragma once

#include <cstdint>

namespace convoy::kernels {

// A byte q stands for scale * (q - zero_point); scale above 0, zero_point from 0 to 255.
struct ByteScale {
  float scale = 1;
  int zero_point = 0;
};

struct QuantizeKernels {
  // output[i] = clamp(round(input[i] / scale) + zero_point, 0, 255), halves to even; 0 of what is no number.
  void (*quantize)(ByteScale scale, int64_t count, const float* input, uint8_t* output);
  // output[i] = scale * (input[i] - zero_point).
  void (*dequantize)(ByteScale scale, int64_t count, const uint8_t* input, float* output);
};

const QuantizeKernels& quantize_kernels();

}  // namespace convoy::kernels
