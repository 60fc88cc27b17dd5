// Swin Transformer (Liu et al., arXiv 2103.14030), torchvision's: attention within windows of 7x7 patches, which every
// other block shifts by half a window.
//
// The tutorial compares with Swin-T on 32x32 images and prints its parameters, those of ten classes.
#include <cmath>

#include "convoy/attention.h"
#include "convoy/model.h"

namespace convoy {
namespace {

constexpr int kStages = 4;
constexpr int kDepths[kStages] = {2, 2, 6, 2};
constexpr int kBlocks = 12;
constexpr int64_t kWidth = 96;
constexpr int64_t kHeads = 3;  // of the first stage; widths and heads double from stage to stage
constexpr int64_t kWindow = 7;
constexpr int64_t kPatch = 4;
constexpr int64_t kMlpRatio = 4;
constexpr float kDropPath = 0.2F;
constexpr Initializer kStart{Initializer::Kind::normal, 0.02F, true};

// The usual layer.
Linear layer(int64_t features) {
  return {.out_features = features, .weight_start = kStart, .bias_start = Initializer::constant(0)};
}

Value dense(Builder b, Value x, int64_t features) { return linear(b, x, layer(features)); }

int64_t windows_along(int64_t extent) { return (extent + kWindow - 1) / kWindow; }

// Of the queries, keys or values {N, L, 3 C} number `part`: {N, heads, L, C / heads}.
Value heads_of(Value qkv, int part, int64_t heads) {
  const int64_t width = qkv.channels() / 3;
  const Value x = slice_channels(qkv, part * width, (part + 1) * width);
  return transpose(reshape(x, {x.shape()[0], x.shape()[1], heads, width / heads}), {0, 2, 1, 3});
}

// Softmax(Q K^T / sqrt(d) + B) V in every window of {N, H, W, C}; an axis that is a single window is not shifted.
Value attention(Builder b, Value x, int64_t heads, bool shifted) {
  const int64_t height = x.shape()[1], width = x.shape()[2], channels = x.channels();
  const Size2 windows{windows_along(height), windows_along(width)};
  const Size2 shift{shifted && windows.h > 1 ? kWindow / 2 : 0, shifted && windows.w > 1 ? kWindow / 2 : 0};
  const Value table =
      b.parameter("relative_position_bias_table", {(2 * kWindow - 1) * (2 * kWindow - 1), heads}, kStart);

  const Value qkv = dense(b / "qkv", window_partition(x, kWindow, shift), 3 * channels);
  const Value q = scale(heads_of(qkv, 0, heads), 1 / std::sqrt(static_cast<float>(channels / heads)));
  Value scores = matmul(q, heads_of(qkv, 1, heads), false, true);
  scores = relative_position_bias(scores, table, {.window = kWindow, .windows = windows, .shift = shift});
  Value mixed = transpose(matmul(softmax(scores), heads_of(qkv, 2, heads)), {0, 2, 1, 3});
  mixed = dense(b / "proj", reshape(mixed, {mixed.shape()[0], mixed.shape()[1], channels}), channels);
  return window_merge(mixed, {height, width}, kWindow, shift);
}

Value mlp(Builder b, Value x) {
  const int64_t width = x.channels();
  x = activation(dense(b / 0, x, kMlpRatio * width), Activation::gelu);
  return dense(b / 3, x, width);
}

Value block(Builder b, Value x, int64_t heads, bool shifted, float drop_rate) {
  const Value attended = attention(b / "attn", layer_norm(b / "norm1", x), heads, shifted);
  x = add(x, drop_path(b / "attn", attended, drop_rate));
  return add(x, drop_path(b / "mlp", mlp(b / "mlp", layer_norm(b / "norm2", x)), drop_rate));
}

// Patches of 2x2 become one, twice as wide, in torchvision's order: column by column.
Value merge_patches(Builder b, Value x) {
  const int64_t images = x.shape()[0], channels = x.channels();
  const int64_t height = (x.shape()[1] + 1) / 2, width = (x.shape()[2] + 1) / 2, patches = images * height * width;
  x = reshape(window_partition(x, 2), {patches, 2, 2, channels});
  x = reshape(transpose(x, {0, 2, 1, 3}), {images, height, width, 4 * channels});
  Linear reduction = layer(2 * channels);
  reduction.bias = false;
  return linear(b / "reduction", layer_norm(b / "norm", x), reduction);
}

Value swin_t(Builder b, Value x, const ModelOptions& options) {
  const float last_rate = options.drop_path < 0 ? kDropPath : options.drop_path;
  const Builder features = b / "features";
  x = conv2d(features / 0 / 0, x, {.out_channels = kWidth, .kernel = kPatch, .stride = kPatch});
  x = layer_norm(features / 0 / 2, x);
  int done = 0;
  for (int stage = 0; stage < kStages; ++stage) {
    for (int i = 0; i < kDepths[stage]; ++i, ++done) {
      const float rate = last_rate * static_cast<float>(done) / static_cast<float>(kBlocks - 1);
      x = block(features / (2 * stage + 1) / i, x, kHeads << stage, i % 2 == 1, rate);
    }
    if (stage + 1 < kStages) x = merge_patches(features / (2 * stage + 2), x);
  }
  Linear head = layer(options.num_classes);
  head.head = true;
  return linear(b / "head", global_avg_pool(layer_norm(b / "norm", x)), head);
}

}  // namespace

std::vector<Model> swin_models() {
  return {{.name = "swin_t",
           .description = "Swin Transformer (Liu et al., 2021), Swin-T",
           .takes = {.drop_path = true},
           .activation = Activation::gelu,
           .build = swin_t}};
}

}  // namespace convoy
