// DarkNet-53 (Redmon and Farhadi, arXiv 1804.02767) and its cross-stage-partial form (Wang et al., arXiv 1911.11929),
// as classifiers. Activations are ReLU, as in PaddleClas.
//
// The tutorial that cspdarknet53 follows prints one of its five stages, with a padding of 1 on its 1x1 convolutions:
// every stage then grows its map by four pixels. cspdarknet53 has no such padding, cspdarknet53_padded keeps it; their
// parameters are the same 19,106,376 with batch norm's statistics, where the tutorial's text says 19,047,240, a number
// that no layout with five equal stages gives.
#include <algorithm>

#include "convoy/model.h"
#include "models/layers/paddle_layers.h"

namespace convoy {
namespace {

struct Variant {
  const char* name;
  const char* description;
  bool partial;
  int64_t padding;  // of the 1x1 convolutions that open and close a partial stage
};

constexpr Variant kVariants[] = {
    {"darknet53", "DarkNet-53 (Redmon and Farhadi, 2018)", false, 0},
    {"cspdarknet53", "DarkNet-53 with cross-stage-partial stages (Wang et al., 2019)", true, 0},
    {"cspdarknet53_padded", "cspdarknet53 with padded 1x1 convolutions, whose stages grow their maps", true, 1},
};
constexpr int kDepths[] = {1, 2, 8, 8, 4};

Conv2d conv3x3(int64_t channels, int64_t stride) {
  return {.out_channels = channels, .kernel = 3, .stride = stride, .padding = 1};
}

Value conv_bn_relu(Builder b, Value x, const Conv2d& conv) { return paddle_conv_bn(b, x, conv, Activation::relu); }

Value residual(Builder b, Value x) {
  const Value y = conv_bn_relu(b / "conv1", x, {.out_channels = x.channels() / 2});
  return add(x, conv_bn_relu(b / "conv2", y, conv3x3(x.channels(), 1)));
}

Value plain_stage(Builder b, Value x, int64_t channels, int depth) {
  x = conv_bn_relu(b / 0, x, conv3x3(channels, 2));
  for (int i = 1; i <= depth; ++i) x = residual(b / i, x);
  return x;
}

Value partial_stage(Builder b, Value x, int64_t channels, int depth, int64_t padding) {
  const int64_t width = std::max<int64_t>(64, channels / 2);
  x = conv_bn_relu(b / "down", x, conv3x3(channels, 2));
  const Value left = conv_bn_relu(b / "left", x, {.out_channels = width, .padding = padding});
  Value right = conv_bn_relu(b / "right", x, {.out_channels = width, .padding = padding});
  for (int i = 0; i < depth; ++i) right = residual(b / "blocks" / i, right);
  right = conv_bn_relu(b / "post", right, {.out_channels = width});
  return conv_bn_relu(b / "neck", concat({right, left}), {.out_channels = channels, .padding = padding});
}

Value darknet(Builder b, Value x, const Variant& variant, const ModelOptions& options) {
  x = conv_bn_relu(b / "stem", x, conv3x3(32, 1));
  int stage = 0;
  for (const int depth : kDepths) {
    const int64_t channels = int64_t{64} << stage;
    const Builder place = b / "stages" / stage++;
    x = variant.partial ? partial_stage(place, x, channels, depth, variant.padding)
                        : plain_stage(place, x, channels, depth);
  }
  return paddle_classifier(b / "fc", global_avg_pool(x), options.num_classes);
}

}  // namespace

std::vector<Model> darknet_models() {
  std::vector<Model> family;
  for (const Variant& variant : kVariants) {
    family.push_back({.name = variant.name,
                      .description = variant.description,
                      .activation = Activation::relu,
                      .build = [&variant](Builder b, Value images, const ModelOptions& options) {
                        return darknet(b, images, variant, options);
                      }});
  }
  return family;
}

}  // namespace convoy
