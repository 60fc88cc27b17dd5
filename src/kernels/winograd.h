// 3x3 convolutions of stride 1 by Winograd's minimal filtering F(4x4, 3x3), in all three directions: a quarter of the
// multiplications of the direct way, with transforms before and after. A. Lavin, S. Gray, "Fast Algorithms for
// Convolutional Neural Networks", arXiv 1509.09308.
//
// The result's error is one to two times that of adding the products up one after the other in f32, and three times
// that of the direct kernels, which add up blocks.
#pragma once

#include "kernels/conv.h"

namespace convoy::kernels {

// Whether the kernels below take it: 3x3, stride 1, dilation 1, padding 0 to 2, one group.
bool winograd_takes(const ConvGeometry& geometry);

// Whether it takes the geometry and is faster than the direct way: enough channels to pay for the transforms, enough
// pixels to pay for transforming the weights, or where these are prepared for reading them.
bool winograd_is_faster(const ConvGeometry& geometry, bool prepared);

// Same contracts as conv_kernels(), statistics included.
const ConvKernels& winograd_kernels();

}  // namespace convoy::kernels
