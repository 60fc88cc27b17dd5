// Dense and grouped convolution, and with 1x1 maps the linear layer: forward, input gradient, weight gradient.
#pragma once

#include "kernels/conv_args.h"

namespace convoy::kernels {

// No kernel allocates; workspace sizes are in bytes and hold for the thread_count() at which they were asked for.
// Results do not depend on the number of threads, bit for bit.
struct ConvKernels {
  // `activated` may be `output` itself, which then keeps only the activated values.
  void (*forward)(const ConvGeometry&, const ConvForwardArgs&);
  void (*grad_input)(const ConvGeometry&, const ConvGradInputArgs&);
  void (*grad_weight)(const ConvGeometry&, const ConvGradWeightArgs&);
  size_t (*forward_workspace)(const ConvGeometry&);
  size_t (*grad_input_workspace)(const ConvGeometry&);
  size_t (*grad_weight_workspace)(const ConvGeometry&);
  // What forward makes of the weight before it multiplies, made ahead for any number of calls: its bytes, 0 where there
  // is nothing to make, and the making, into memory aligned to 64 bytes (ConvForwardArgs::prepared_weight).
  size_t (*prepared_bytes)(const ConvGeometry&);
  void (*prepare)(const ConvGeometry&, const float* weight, void* into);
};

const ConvKernels& conv_kernels();

}  // namespace convoy::kernels
