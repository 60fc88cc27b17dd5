// The weight gradient, which tile_conv_kernels() lists.
#pragma once

#include "kernels/bf16_conv.h"

namespace convoy::kernels::CONVOY_ISA {

void tile_conv_grad_weight(const ConvGeometry& geometry, const Bf16ConvGradWeightArgs& args);
size_t tile_conv_grad_weight_workspace(const ConvGeometry& geometry);

}  // namespace convoy::kernels::CONVOY_ISA
