// Conv2Former (Hou et al., arXiv 2211.11943) for 32x32 images: four stages on a full-resolution 1x1 stem, without layer
// scale.
#include "convoy/model.h"

namespace convoy {
namespace {

constexpr int kStages = 4;
constexpr int kDepths[kStages] = {2, 2, 8, 2};
constexpr int64_t kWidths[kStages] = {64, 128, 256, 512};
constexpr int kBlocks = 14;
constexpr int64_t kRatio = 2;
constexpr float kNormEps = 1e-6F;

Value conv(Builder b, Value x, Conv2d options) {
  options.weight_start = Initializer::truncated_normal(0.02F);
  options.bias_start = Initializer::constant(0);
  return conv2d(b, x, options);
}

Conv2d depthwise(int64_t channels, int64_t kernel) {
  return {.out_channels = channels, .kernel = kernel, .padding = kernel / 2, .groups = channels};
}

Value gelu(Value x) { return activation(x, Activation::gelu); }

// Large-kernel depthwise features that multiply a 1x1 projection.
Value modulation(Builder b, Value x) {
  const int64_t width = x.channels();
  x = layer_norm(b / "norm", x, kNormEps);
  Value a = gelu(conv(b / "a" / 0, x, {.out_channels = width}));
  a = conv(b / "a" / 2, a, depthwise(width, 11));
  return conv(b / "proj", mul(a, conv(b / "v", x, {.out_channels = width})), {.out_channels = width});
}

Value mlp(Builder b, Value x) {
  const int64_t width = x.channels();
  const int64_t hidden = kRatio * width;
  x = gelu(conv(b / "fc1", layer_norm(b / "norm", x, kNormEps), {.out_channels = hidden}));
  x = add(x, gelu(conv(b / "pos", x, depthwise(hidden, 3))));
  return conv(b / "fc2", x, {.out_channels = width});
}

Value block(Builder b, Value x, float drop_rate) {
  x = add(x, drop_path(b / "attn" / "drop_path", modulation(b / "attn", x), drop_rate));
  return add(x, drop_path(b / "mlp" / "drop_path", mlp(b / "mlp", x), drop_rate));
}

Value conv2former_n(Builder b, Value x, const ModelOptions& options) {
  const float last_rate = options.drop_path < 0 ? 0.1F : options.drop_path;
  x = conv(b / "stem", x, {.out_channels = kWidths[0]});
  int done = 0;
  for (int stage = 0; stage < kStages; ++stage) {
    const Builder place = b / "stages" / stage;
    for (int i = 0; i < kDepths[stage]; ++i, ++done) {
      x = block(place / i, x, last_rate * static_cast<float>(done) / static_cast<float>(kBlocks - 1));
    }
    if (stage + 1 < kStages) {
      const Builder down = place / kDepths[stage];
      x = conv(down / 1, group_norm(down / 0, x, 1),
               {.out_channels = kWidths[stage + 1], .kernel = 2, .stride = 2, .bias = false});
    }
  }
  x = global_avg_pool(layer_norm(b / "norm", x, kNormEps));
  return linear(b / "head", x,
                {.out_features = options.num_classes,
                 .weight_start = Initializer::truncated_normal(0.02F),
                 .bias_start = Initializer::constant(0)});
}

}  // namespace

std::vector<Model> conv2former_models() {
  return {{.name = "conv2former_n",
           .description = "Conv2Former (Hou et al., 2022) for 32x32 images, 8.8 million parameters",
           .image_size = 32,
           .num_classes = 10,
           .build = conv2former_n}};
}

}  // namespace convoy
