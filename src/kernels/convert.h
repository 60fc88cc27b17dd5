// Between floats and brain floats.
#pragma once

#include <cstdint>

#include "convoy/bf16.h"

namespace convoy::kernels {

// Input and output do not overlap.
struct ConvertKernels {
  void (*widen)(int64_t count, const Bf16* input, float* output);
  void (*narrow)(int64_t count, const float* input, Bf16* output);  // to the nearest, halves to even
};

const ConvertKernels& convert_kernels();

}  // namespace convoy::kernels
