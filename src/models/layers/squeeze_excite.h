// Squeeze and excitation (Hu et al., arXiv 1709.01507), for the families that use it.
#pragma once

#include <functional>

#include "convoy/ops.h"

namespace convoy {

struct SqueezeExcite {
  Builder reduce, expand;  // where the two 1x1 convolutions put their parameters
  int64_t reduced = 1;     // channels between them
  Activation activation = Activation::relu;
  Activation gate = Activation::sigmoid;
  // The start of the weight of a convolution that reads `in_channels`.
  std::function<Initializer(const Conv2d&, int64_t in_channels)> start;
};

// Every channel of {N, H, W, C} times a gate from the means of all channels.
inline Value squeeze_excite(Value x, const SqueezeExcite& options) {
  const auto conv = [&](Builder b, Value in, int64_t channels) {
    Conv2d conv{.out_channels = channels, .bias_start = Initializer::constant(0)};
    conv.weight_start = options.start(conv, in.channels());
    return conv2d(b, in, conv);
  };
  Value gate = activation(conv(options.reduce, adaptive_avg_pool(x, 1), options.reduced), options.activation);
  gate = activation(conv(options.expand, gate, x.channels()), options.gate);
  return channel_scale(x, reshape(gate, {x.shape()[0], x.channels()}));
}

}  // namespace convoy
