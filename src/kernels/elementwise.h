// Kernels that map tensors element by element.
#pragma once

#include <cstdint>

#include "convoy/activation.h"

namespace convoy::kernels {

// Inputs and outputs may be the same tensor, but must not overlap otherwise.
struct ElementwiseKernels {
  // output[i] = activation(input[i]).
  void (*activation)(Activation activation, int64_t count, const float* input, float* output);
  // grad_input[i] = grad_output[i] * activation'(input[i]) + addend[i]; addend may be null.
  void (*activation_backward)(Activation activation, int64_t count, const float* input, const float* grad_output,
                              const float* addend, float* grad_input);
};

const ElementwiseKernels& elementwise_kernels();

}  // namespace convoy::kernels
