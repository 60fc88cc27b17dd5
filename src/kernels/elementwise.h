// Kernels that map tensors element by element.
#pragma once

#include <cstdint>

#include "convoy/activation.h"
#include "kernels/by_map.h"

namespace convoy::kernels {

// An output may be the same tensor as an input; otherwise outputs overlap nothing.
template <class Map>
struct ElementwiseKernels {
  // output[i] = activation(input[i]).
  void (*activation)(Activation activation, int64_t count, const Map* input, Map* output);
  // grad_input[i] = grad_output[i] * activation'(input[i]) + addend[i]; addend may be null.
  void (*activation_backward)(Activation activation, int64_t count, const Map* input, const Map* grad_output,
                              const Map* addend, Map* grad_input);
  // output[i] = inputs[0][i] + inputs[1][i] + ..., added in this order; terms >= 1.
  void (*add)(int terms, int64_t count, const Map* const* inputs, Map* output);
  // output[n][i] = scales[n] * input[n][i] + addend[n][i], i < per_sample; addend may be null.
  void (*scale_samples)(int64_t samples, int64_t per_sample, const float* scales, const Map* input, const Map* addend,
                        Map* output);
  // output[i] = a[i] * b[i].
  void (*multiply)(int64_t count, const Map* a, const Map* b, Map* output);
  // grad_a = grad_output * b, grad_b = grad_output * a; either may be null.
  void (*multiply_backward)(int64_t count, const Map* a, const Map* b, const Map* grad_output, Map* grad_a,
                            Map* grad_b);
};

const ByMap<ElementwiseKernels>& elementwise_kernels();

}  // namespace convoy::kernels
