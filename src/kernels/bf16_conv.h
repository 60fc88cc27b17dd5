// Convolutions of maps of brain floats: forward, input gradient, weight gradient. Weights, biases and their gradients
// are floats, and so are sums.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convoy/bf16.h"
#include "kernels/conv_args.h"

namespace convoy::kernels {

// As ConvForwardArgs, with one result: output = activation(convolution(input, weight) + bias + addend).
struct Bf16ConvForwardArgs {
  const Bf16* input = nullptr;
  const float* wide_input = nullptr;  // in place of `input`: maps of floats, such as images
  const float* weight = nullptr;
  const float* bias = nullptr;
  const Bf16* addend = nullptr;
  Bf16* output = nullptr;
  Activation activation = Activation::none;
  float* statistics = nullptr;  // of the results before they are rounded and activated
  const void* prepared_weight = nullptr;
  void* workspace = nullptr;
};

struct Bf16ConvGradInputArgs {
  const Bf16* grad_output = nullptr;
  const float* weight = nullptr;
  const Bf16* addend = nullptr;
  Bf16* grad_input = nullptr;
  void* workspace = nullptr;
};

struct Bf16ConvGradWeightArgs {
  const Bf16* input = nullptr;
  const float* wide_input = nullptr;  // in place of `input`
  const Bf16* grad_output = nullptr;
  float* grad_weight = nullptr;
  float* grad_bias = nullptr;
  void* workspace = nullptr;
};

// As ConvKernels.
struct Bf16ConvKernels {
  void (*forward)(const ConvGeometry&, const Bf16ConvForwardArgs&);
  void (*grad_input)(const ConvGeometry&, const Bf16ConvGradInputArgs&);
  void (*grad_weight)(const ConvGeometry&, const Bf16ConvGradWeightArgs&);
  size_t (*forward_workspace)(const ConvGeometry&);
  size_t (*grad_input_workspace)(const ConvGeometry&);
  size_t (*grad_weight_workspace)(const ConvGeometry&);
  size_t (*prepared_bytes)(const ConvGeometry&);
  void (*prepare)(const ConvGeometry&, const float* weight, void* into);
};

// Dense and grouped, on matrix tiles (Intel's AMX), for which weights are rounded to brain floats as well. Null where
// the processor, the build or the instruction set in use has none.
const Bf16ConvKernels* tile_conv_kernels();

// Depthwise, as depthwise_kernels(), of maps that are all brain floats; null where the set in use has none of them.
const Bf16ConvKernels* bf16_depthwise_kernels();

}  // namespace convoy::kernels
