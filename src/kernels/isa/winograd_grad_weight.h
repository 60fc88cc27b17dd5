// The weight gradient's entries of the table in winograd.cpp.
#pragma once

#include "kernels/conv.h"

namespace convoy::kernels::CONVOY_ISA {

void winograd_grad_weight(const ConvGeometry& geometry, const ConvGradWeightArgs& args);
size_t winograd_grad_weight_workspace(const ConvGeometry& geometry);

}  // namespace convoy::kernels::CONVOY_ISA
