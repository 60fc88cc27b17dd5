// Kernels that map tensors element by element.
#pragma once

#include <cstdint>

#include "convoy/activation.h"

namespace convoy::kernels {

// An output may be the same tensor as an input; otherwise outputs overlap nothing.
struct ElementwiseKernels {
  // output[i] = activation(input[i]).
  void (*activation)(Activation activation, int64_t count, const float* input, float* output);
  // grad_input[i] = grad_output[i] * activation'(input[i]) + addend[i]; addend may be null.
  void (*activation_backward)(Activation activation, int64_t count, const float* input, const float* grad_output,
                              const float* addend, float* grad_input);
  // output[i] = inputs[0][i] + inputs[1][i] + ..., added in this order; terms >= 1.
  void (*add)(int terms, int64_t count, const float* const* inputs, float* output);
  // output[n][i] = scales[n] * input[n][i] + addend[n][i], i < per_sample; addend may be null.
  void (*scale_samples)(int64_t samples, int64_t per_sample, const float* scales, const float* input,
                        const float* addend, float* output);
  // output[i] = a[i] * b[i].
  void (*multiply)(int64_t count, const float* a, const float* b, float* output);
  // grad_a = grad_output * b, grad_b = grad_output * a; either may be null.
  void (*multiply_backward)(int64_t count, const float* a, const float* b, const float* grad_output, float* grad_a,
                            float* grad_b);
};

const ElementwiseKernels& elementwise_kernels();

}  // namespace convoy::kernels
