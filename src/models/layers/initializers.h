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

// Paddle's default for convolutions: normal with the standard deviation sqrt(2 / (kernel area * in channels)). Groups
// do not enter, so that depthwise weights start small.
inline Initializer paddle_normal(const Conv2d& conv, int64_t in_channels) {
  return Initializer::normal(std::sqrt(2.0F / static_cast<float>(conv.kernel.h * conv.kernel.w * in_channels)));
}

// Glorot and Bengio, AISTATS 2010: uniform in +-sqrt(6 / (fan in + fan out)).
inline Initializer xavier_uniform(int64_t fan_in, int64_t fan_out) {
  return Initializer::uniform(std::sqrt(6.0F / static_cast<float>(fan_in + fan_out)));
}

}  // namespace convoy
