// EfficientNetV2 (Tan and Le, arXiv 2104.00298): inverted residuals, in the first stages with one dense 3x3 convolution
// for expansion and depthwise convolution. S is the paper's table 4; M and L are torchvision's, and
// so are the names of all parameters.
//
// The tutorial's text lets the last block survive with the probability 0.5 and gives the head 1024 channels; its code,
// whose printed counts S has, drops it with 0.2 and gives the head 1280.
#include <vector>

#include "convoy/model.h"
#include "models/layers/initializers.h"
#include "models/layers/squeeze_excite.h"

namespace convoy {
namespace {

struct Stage {
  int repeats;
  int64_t stride;
  int64_t expansion;
  int64_t channels;
  bool fused;
};

struct Variant {
  const char* name;
  float dropout;
  std::vector<Stage> stages;
};

const Variant kVariants[] = {
    {"efficientnetv2_s",
     0.2F,
     {{2, 1, 1, 24, true},
      {4, 2, 4, 48, true},
      {4, 2, 4, 64, true},
      {6, 2, 4, 128, false},
      {9, 1, 6, 160, false},
      {15, 2, 6, 256, false}}},
    {"efficientnetv2_m",
     0.3F,
     {{3, 1, 1, 24, true},
      {5, 2, 4, 48, true},
      {5, 2, 4, 80, true},
      {7, 2, 4, 160, false},
      {14, 1, 6, 176, false},
      {18, 2, 6, 304, false},
      {5, 1, 6, 512, false}}},
    {"efficientnetv2_l",
     0.4F,
     {{4, 1, 1, 32, true},
      {7, 2, 4, 64, true},
      {7, 2, 4, 96, true},
      {10, 2, 4, 192, false},
      {19, 1, 6, 224, false},
      {25, 2, 6, 384, false},
      {7, 1, 6, 640, false}}},
};
constexpr int64_t kFeatures = 1280;
constexpr float kDropPath = 0.2F;

// Convolution, norm and activation; `b` numbers the first two.
Value conv_norm(Builder b, Value x, Conv2d conv, Activation function) {
  conv.bias = false;
  conv.weight_start = kaiming_fan_out(conv);
  return activation(batch_norm(b / 1, conv2d(b / 0, x, conv), {.eps = 1e-3F}), function);
}

Conv2d conv3x3(int64_t channels, int64_t stride) {
  return {.out_channels = channels, .kernel = 3, .stride = stride, .padding = 1};
}

Value fused_branch(Builder b, Value x, int64_t expanded, int64_t channels, int64_t stride) {
  if (expanded == x.channels()) return conv_norm(b / 0, x, conv3x3(channels, stride), Activation::silu);
  x = conv_norm(b / 0, x, conv3x3(expanded, stride), Activation::silu);
  return conv_norm(b / 1, x, {.out_channels = channels}, Activation::none);
}

Value branch(Builder b, Value x, int64_t expanded, int64_t channels, int64_t stride) {
  const int64_t reduced = x.channels() / 4;
  x = conv_norm(b / 0, x, {.out_channels = expanded}, Activation::silu);
  Conv2d depthwise = conv3x3(expanded, stride);
  depthwise.groups = expanded;
  x = conv_norm(b / 1, x, depthwise, Activation::silu);
  x = squeeze_excite(x, {.reduce = b / 2 / "fc1",
                         .expand = b / 2 / "fc2",
                         .reduced = reduced,
                         .activation = Activation::silu,
                         .start = [](const Conv2d& conv, int64_t) { return kaiming_fan_out(conv); }});
  return conv_norm(b / 3, x, {.out_channels = channels}, Activation::none);
}

Value block(Builder b, Value x, const Stage& stage, int64_t stride, float drop_rate) {
  const int64_t expanded = x.channels() * stage.expansion;
  const Builder layers = b / "block";
  const Value y = stage.fused ? fused_branch(layers, x, expanded, stage.channels, stride)
                              : branch(layers, x, expanded, stage.channels, stride);
  if (stride != 1 || x.channels() != stage.channels) return y;
  return add(x, drop_path(b / "stochastic_depth", y, drop_rate));
}

Value efficientnet_v2(Builder b, Value x, const Variant& variant, const ModelOptions& options) {
  int total = 0;
  for (const Stage& stage : variant.stages) total += stage.repeats;
  const float last_rate = options.drop_path < 0 ? kDropPath : options.drop_path;

  const Builder features = b / "features";
  int index = 0, done = 0;
  x = conv_norm(features / index++, x, conv3x3(variant.stages.front().channels, 2), Activation::silu);
  for (const Stage& stage : variant.stages) {
    const Builder blocks = features / index++;
    for (int i = 0; i < stage.repeats; ++i, ++done) {
      const float rate = last_rate * static_cast<float>(done) / static_cast<float>(total);
      x = block(blocks / i, x, stage, i == 0 ? stage.stride : 1, rate);
    }
  }
  x = conv_norm(features / index, x, {.out_channels = kFeatures}, Activation::silu);
  x = dropout(b / "classifier" / 0, global_avg_pool(x), options.dropout < 0 ? variant.dropout : options.dropout);
  return linear(b / "classifier" / 1, x,
                {.out_features = options.num_classes,
                 .weight_start = Initializer::normal(0.01F),
                 .bias_start = Initializer::constant(0),
                 .head = true});
}

}  // namespace

std::vector<Model> efficientnet_v2_models() {
  std::vector<Model> family;
  for (const Variant& variant : kVariants) {
    family.push_back({.name = variant.name,
                      .description = "EfficientNetV2 (Tan and Le, 2021)",
                      .takes = {.dropout = true, .drop_path = true},
                      .activation = Activation::silu,
                      .build = [&variant](Builder b, Value images, const ModelOptions& options) {
                        return efficientnet_v2(b, images, variant, options);
                      }});
  }
  return family;
}

}  // namespace convoy
