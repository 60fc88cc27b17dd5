// ResNet (He et al., arXiv 1512.03385) as torchvision builds it: the stride sits on the 3x3 convolution.
#include <array>

#include "convoy/model.h"
#include "models/layers/initializers.h"

namespace convoy {
namespace {

struct Variant {
  const char* name;
  std::array<int, 4> depths;
  bool bottleneck;
};

constexpr Variant kVariants[] = {
    {"resnet18", {2, 2, 2, 2}, false},  {"resnet34", {3, 4, 6, 3}, false},  {"resnet50", {3, 4, 6, 3}, true},
    {"resnet101", {3, 4, 23, 3}, true}, {"resnet152", {3, 8, 36, 3}, true},
};

Conv2d unbiased(Conv2d conv) {
  conv.bias = false;
  conv.weight_start = kaiming_fan_out(conv);
  return conv;
}

Value conv_bn(Builder b, const std::string& index, Value x, Conv2d conv) {
  return batch_norm(b / ("bn" + index), conv2d(b / ("conv" + index), x, unbiased(conv)));
}

Value shortcut(Builder b, Value x, int64_t channels, int64_t stride) {
  if (x.channels() == channels && stride == 1) return x;
  const Builder down = b / "downsample";
  return batch_norm(down / 1, conv2d(down / 0, x, unbiased({.out_channels = channels, .stride = stride})));
}

Value basic_block(Builder b, Value x, int64_t width, int64_t stride) {
  Value y = relu(conv_bn(b, "1", x, {.out_channels = width, .kernel = 3, .stride = stride, .padding = 1}));
  y = conv_bn(b, "2", y, {.out_channels = width, .kernel = 3, .padding = 1});
  return relu(add(y, shortcut(b, x, width, stride)));
}

Value bottleneck(Builder b, Value x, int64_t width, int64_t stride) {
  Value y = relu(conv_bn(b, "1", x, {.out_channels = width}));
  y = relu(conv_bn(b, "2", y, {.out_channels = width, .kernel = 3, .stride = stride, .padding = 1}));
  y = conv_bn(b, "3", y, {.out_channels = 4 * width});
  return relu(add(y, shortcut(b, x, 4 * width, stride)));
}

Value resnet(Builder b, Value x, const Variant& variant, const ModelOptions& options) {
  x = relu(conv_bn(b, "1", x, {.out_channels = 64, .kernel = 7, .stride = 2, .padding = 3}));
  x = max_pool(x, {.kernel = 3, .stride = 2, .padding = 1});
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t width = int64_t{64} << stage;
    for (int block = 0; block < variant.depths[static_cast<size_t>(stage)]; ++block) {
      const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      const Builder place = b / ("layer" + std::to_string(stage + 1)) / block;
      x = variant.bottleneck ? bottleneck(place, x, width, stride) : basic_block(place, x, width, stride);
    }
  }
  return linear(b / "fc", global_avg_pool(x), {.out_features = options.num_classes, .head = true});
}

}  // namespace

std::vector<Model> resnet_models() {
  std::vector<Model> family;
  for (const Variant& variant : kVariants) {
    family.push_back({.name = variant.name,
                      .description = "ResNet (He et al., 2015), torchvision's",
                      .activation = Activation::relu,
                      .build = [&variant](Builder b, Value images, const ModelOptions& options) {
                        return resnet(b, images, variant, options);
                      }});
  }
  return family;
}

}  // namespace convoy
