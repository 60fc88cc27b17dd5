// ACNet (Ding et al., arXiv 1908.03930): every k x k convolution is the sum of a k x k, a k x 1 and a 1 x k
// convolution, each with its batch norm. Convolutions being linear, the three become one biased k x k convolution for
// inference: the form whose names end in _deploy.
//
// The tutorial leaves the bias of the square convolution to Paddle's default, which is to have one; its text and its
// fusion of the branches have none, nor have these networks.
#include <algorithm>
#include <array>

#include "convoy/model.h"
#include "models/layers/paddle_layers.h"

namespace convoy {
namespace {

using Network = Value (*)(Builder, Value, const ModelOptions&, bool deploy);

Value branch(Builder b, Value x, const Conv2d& conv, Size2 kernel) {
  return paddle_conv_bn(b, x,
                        {.out_channels = conv.out_channels,
                         .kernel = kernel,
                         .stride = conv.stride,
                         .padding = {kernel.h / 2, kernel.w / 2}});
}

// An asymmetric convolution block without its activation.
Value ac_conv(Builder b, Value x, Conv2d conv, bool deploy) {
  conv.padding = {conv.kernel.h / 2, conv.kernel.w / 2};
  if (deploy) {
    conv.weight_start = paddle_normal(conv, x.channels());
    conv.bias_start = Initializer::constant(0);
    return conv2d(b / "fused", x, conv);
  }
  const Value square = branch(b / "square", x, conv, conv.kernel);
  const Value vertical = branch(b / "ver", x, conv, {conv.kernel.h, 1});
  const Value horizontal = branch(b / "hor", x, conv, {1, conv.kernel.w});
  return add(square, add(vertical, horizontal));
}

Value shortcut(Builder b, Value x, int64_t channels, int64_t stride) {
  if (x.channels() == channels && stride == 1) return x;
  return paddle_conv_bn(b / "shortcut", x, {.out_channels = channels, .stride = stride});
}

Value basic_block(Builder b, Value x, int64_t width, int64_t stride, bool deploy) {
  Value y = relu(ac_conv(b / "conv1", x, {.out_channels = width, .kernel = 3, .stride = stride}, deploy));
  y = ac_conv(b / "conv2", y, {.out_channels = width, .kernel = 3}, deploy);
  return relu(add(shortcut(b, x, width, stride), y));
}

Value bottleneck(Builder b, Value x, int64_t width, int64_t stride, bool deploy) {
  Value y = paddle_conv_bn(b / "conv1", x, {.out_channels = width}, Activation::relu);
  y = relu(ac_conv(b / "conv2", y, {.out_channels = width, .kernel = 3, .stride = stride}, deploy));
  y = paddle_conv_bn(b / "conv3", y, {.out_channels = 4 * width});
  return relu(add(shortcut(b, x, 4 * width, stride), y));
}

Value resnet(Builder b, Value x, const std::array<int, 4>& depths, bool bottlenecks, int64_t classes, bool deploy) {
  x = relu(ac_conv(b / "stem", x, {.out_channels = 64, .kernel = 7, .stride = 2}, deploy));
  x = max_pool(x, {.kernel = 3, .stride = 2, .padding = 1});
  int index = 0;
  int64_t width = 64;
  for (const int depth : depths) {
    for (int i = 0; i < depth; ++i) {
      const Builder place = b / "blocks" / index++;
      const int64_t stride = i == 0 && width > 64 ? 2 : 1;
      x = bottlenecks ? bottleneck(place, x, width, stride, deploy) : basic_block(place, x, width, stride, deploy);
    }
    width *= 2;
  }
  return paddle_classifier(b / "fc", global_avg_pool(x), classes);
}

Value resnet18(Builder b, Value x, const ModelOptions& options, bool deploy) {
  return resnet(b, x, {2, 2, 2, 2}, false, options.num_classes, deploy);
}

Value resnet50(Builder b, Value x, const ModelOptions& options, bool deploy) {
  return resnet(b, x, {3, 4, 6, 3}, true, options.num_classes, deploy);
}

Value vgg16(Builder b, Value x, const ModelOptions& options, bool deploy) {
  int index = 0;  // poolings count, too
  int64_t width = 64;
  for (const int depth : {2, 2, 3, 3, 3}) {
    for (int i = 0; i < depth; ++i) {
      x = relu(ac_conv(b / "features" / index++, x, {.out_channels = width, .kernel = 3}, deploy));
    }
    x = max_pool(x, {.kernel = 2, .stride = 2});
    ++index;
    width = std::min<int64_t>(2 * width, 512);
  }
  x = flatten(adaptive_avg_pool(x, 7));
  const float rate = options.dropout < 0 ? 0.5F : options.dropout;
  for (const int layer : {0, 3}) {
    const Builder place = b / "classifier";
    x = relu(linear(place / layer, x, {.out_features = 4096, .bias_start = Initializer::constant(0)}));
    x = dropout(place / (layer + 2), x, rate);
  }
  return paddle_classifier(b / "classifier" / 6, x, options.num_classes);
}

}  // namespace

std::vector<Model> acnet_models() {
  struct Variant {
    const char* name;
    Network build;
    bool dropout = false;
  };
  std::vector<Model> family;
  for (const Variant& variant : {Variant{"acnet_resnet18", resnet18}, Variant{"acnet_resnet50", resnet50},
                                 Variant{"acnet_vgg16_bn", vgg16, true}}) {
    for (const bool deploy : {false, true}) {
      family.push_back({.name = std::string(variant.name) + (deploy ? "_deploy" : ""),
                        .description = deploy ? "ACNet (Ding et al., 2019) with its branches merged, for inference"
                                              : "ACNet (Ding et al., 2019): square, vertical and horizontal branches",
                        .takes = {.dropout = variant.dropout, .acnet = false},
                        .activation = Activation::relu,
                        .build = [build = variant.build, deploy](Builder b, Value images, const ModelOptions& options) {
                          return build(b, images, options, deploy);
                        }});
    }
  }
  return family;
}

}  // namespace convoy
