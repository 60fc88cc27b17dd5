// Starts of weights that several families share.
#pragma once

#include <cmath>

#include "convoy/ops.h"

namespace convoy {

// He et al., arXiv 1502.01852, by fan out: normal with the standard deviation sqrt(2 / (kernel area * out channels)).
// As in torch, groups do not enter.
inline Initializer kaiming_fan_out(const Conv2d& conv) {
  return Initializer::normal(std::sqrt(2.0F / static_cast<float>(conv.kernel.h * conv.kernel.w * conv.out_channels)));
}

}  // namespace convoy
