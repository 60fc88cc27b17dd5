// Conv2Former (Hou et al., arXiv 2211.11943).
//
// conv2former_n is the tutorial's, for 32x32 images: a 1x1 stem at full resolution, MLPs of twice the width where the
// paper has four times, group norms before the strided convolutions, no layer scale. Its table prints 8,847,978
// parameters; its code has 480 less, by Paddle's own count. The others are the paper's, for 224x224 images, with the
// parts that the paper leaves to its code (github.com/HVision-NKU/Conv2Former): the stem, and a head of 1280 channels.
#include <array>

#include "convoy/model.h"

namespace convoy {
namespace {

constexpr int kStages = 4;
constexpr int64_t kTutorialRatio = 2, kPaperRatio = 4;
constexpr int64_t kHeadWidth = 1280;
constexpr float kNormEps = 1e-6F;
constexpr float kLayerScale = 1e-6F;
constexpr float kDropPath = 0.1F;

struct Variant {
  const char* name;
  const char* description;
  std::array<int, kStages> depths;
  std::array<int64_t, kStages> widths;
};

constexpr Variant kTutorial = {"conv2former_n",
                               "Conv2Former (Hou et al., 2022) for 32x32 images, 8.8 million parameters",
                               {2, 2, 8, 2},
                               {64, 128, 256, 512}};
constexpr Variant kPaper[] = {
    {"conv2former_t", "Conv2Former (Hou et al., 2022), tiny", {3, 3, 12, 3}, {72, 144, 288, 576}},
    {"conv2former_s", "Conv2Former (Hou et al., 2022), small", {4, 4, 32, 4}, {72, 144, 288, 576}},
    {"conv2former_b", "Conv2Former (Hou et al., 2022), base", {4, 4, 34, 4}, {96, 192, 384, 768}},
    {"conv2former_l", "Conv2Former (Hou et al., 2022), large", {4, 4, 48, 4}, {128, 256, 512, 1024}},
};

Value conv(Builder b, Value x, Conv2d options) {
  options.weight_start = Initializer::truncated_normal(0.02F);
  options.bias_start = Initializer::constant(0);
  return conv2d(b, x, options);
}

Conv2d depthwise(int64_t channels, int64_t kernel) {
  return {.out_channels = channels, .kernel = kernel, .padding = kernel / 2, .groups = channels};
}

Value gelu(Value x) { return activation(x, Activation::gelu); }

// Large-kernel depthwise features, their parameters under `features`, that multiply a 1x1 projection.
Value modulation(Builder b, Builder features, Value x) {
  const int64_t width = x.channels();
  x = layer_norm(b / "norm", x, kNormEps);
  Value a = gelu(conv(features / 0, x, {.out_channels = width}));
  a = conv(features / 2, a, depthwise(width, 11));
  return conv(b / "proj", mul(a, conv(b / "v", x, {.out_channels = width})), {.out_channels = width});
}

Value mlp(Builder b, Value x, int64_t ratio) {
  const int64_t width = x.channels();
  const int64_t hidden = ratio * width;
  x = gelu(conv(b / "fc1", layer_norm(b / "norm", x, kNormEps), {.out_channels = hidden}));
  x = add(x, gelu(conv(b / "pos", x, depthwise(hidden, 3))));
  return conv(b / "fc2", x, {.out_channels = width});
}

// The rates of stochastic depth grow linearly from block to block.
class DropRates {
 public:
  DropRates(const Variant& variant, const ModelOptions& options)
      : last_(options.drop_path < 0 ? kDropPath : options.drop_path) {
    for (const int depth : variant.depths) blocks_ += depth;
  }
  float next() { return last_ * static_cast<float>(done_++) / static_cast<float>(blocks_ - 1); }

 private:
  float last_;
  int blocks_ = 0, done_ = 0;
};

Value classifier(Builder b, Value x, int64_t classes) {
  return linear(b, x,
                {.out_features = classes,
                 .weight_start = Initializer::truncated_normal(0.02F),
                 .bias_start = Initializer::constant(0),
                 .head = true});
}

Value tutorial_block(Builder b, Value x, float rate) {
  x = add(x, drop_path(b / "attn" / "drop_path", modulation(b / "attn", b / "attn" / "a", x), rate));
  return add(x, drop_path(b / "mlp" / "drop_path", mlp(b / "mlp", x, kTutorialRatio), rate));
}

Value tutorial_network(Builder b, Value x, const ModelOptions& options) {
  const auto& [name, description, depths, widths] = kTutorial;
  DropRates rates(kTutorial, options);
  x = conv(b / "stem", x, {.out_channels = widths[0]});
  for (size_t stage = 0; stage < kStages; ++stage) {
    const Builder place = b / "stages" / static_cast<int>(stage);
    for (int i = 0; i < depths[stage]; ++i) x = tutorial_block(place / i, x, rates.next());
    if (stage + 1 < kStages) {
      const Builder down = place / depths[stage];
      x = conv(down / 1, group_norm(down / 0, x, 1),
               {.out_channels = widths[stage + 1], .kernel = 2, .stride = 2, .bias = false});
    }
  }
  return classifier(b / "head", global_avg_pool(layer_norm(b / "norm", x, kNormEps)), options.num_classes);
}

Value layer_scaled(Builder b, std::string_view name, Value x) {
  return channel_scale(x, b.parameter(name, {x.channels()}, Initializer::constant(kLayerScale)));
}

Value paper_block(Builder b, Value x, float rate) {
  const Value mixed = layer_scaled(b, "layer_scale_1", modulation(b / "attn", b / "attn" / "att", x));
  x = add(x, drop_path(b / "attn", mixed, rate));
  return add(x, drop_path(b / "mlp", layer_scaled(b, "layer_scale_2", mlp(b / "mlp", x, kPaperRatio)), rate));
}

Value stem(Builder b, Value x, int64_t width) {
  Conv2d options{.out_channels = width / 2, .kernel = 3, .stride = 2, .padding = 1, .bias = false};
  x = batch_norm(b / 2, gelu(conv(b / 0, x, options)));
  options.stride = 1;
  x = batch_norm(b / 5, gelu(conv(b / 3, x, options)));
  return conv(b / 6, x, {.out_channels = width, .kernel = 2, .stride = 2, .bias = false});
}

Value paper_network(Builder b, Value x, const Variant& variant, const ModelOptions& options) {
  DropRates rates(variant, options);
  for (size_t stage = 0; stage < kStages; ++stage) {
    const Builder down = b / "downsample_layers" / static_cast<int>(stage);
    const int64_t width = variant.widths[stage];
    x = stage == 0
            ? stem(down, x, width)
            : conv(down / 1, layer_norm(down / 0, x, kNormEps), {.out_channels = width, .kernel = 2, .stride = 2});
    const Builder place = b / "stages" / static_cast<int>(stage);
    for (int i = 0; i < variant.depths[stage]; ++i) x = paper_block(place / i, x, rates.next());
  }
  x = gelu(conv(b / "head" / 0, x, {.out_channels = kHeadWidth}));
  return classifier(b / "pred", global_avg_pool(layer_norm(b / "head" / 2, x, kNormEps)), options.num_classes);
}

}  // namespace

std::vector<Model> conv2former_models() {
  std::vector<Model> family{{.name = kTutorial.name,
                             .description = kTutorial.description,
                             .image_size = 32,
                             .num_classes = 10,
                             .takes = {.drop_path = true},
                             .activation = Activation::gelu,
                             .build = tutorial_network}};
  for (const Variant& variant : kPaper) {
    family.push_back({.name = variant.name,
                      .description = variant.description,
                      .takes = {.drop_path = true},
                      .activation = Activation::gelu,
                      .build = [&variant](Builder b, Value images, const ModelOptions& options) {
                        return paper_network(b, images, variant, options);
                      }});
  }
  return family;
}

}  // namespace convoy
