// Layers as Paddle starts them, for the families that come from there.
#pragma once

#include "convoy/ops.h"
#include "models/layers/initializers.h"

namespace convoy {

// Convolution without bias, batch norm and activation.
inline Value paddle_conv_bn(Builder b, Value x, Conv2d conv, Activation function = Activation::none) {
  conv.bias = false;
  conv.weight_start = paddle_normal(conv, x.channels());
  return activation(batch_norm(b / "bn", conv2d(b / "conv", x, conv)), function);
}

// The last layer: uniform in +-1/sqrt(in features), without an offset.
inline Value paddle_classifier(Builder b, Value x, int64_t classes) {
  return linear(b, x, {.out_features = classes, .bias_start = Initializer::constant(0), .head = true});
}

}  // namespace convoy
