// Depthwise convolution, every channel with its own kernel: forward, input gradient and weight gradient.
#pragma once

#include "kernels/conv.h"

namespace convoy::kernels {

// For geometries with groups == in_c == out_c; any kernel, stride, padding and dilation. Taps outside the image are
// never computed. Tiles of the statistics are whole rows.
const ConvKernels& depthwise_kernels();

}  // namespace convoy::kernels
