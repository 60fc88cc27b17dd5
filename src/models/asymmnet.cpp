// AsymmNet (Yang et al., arXiv 2104.07770): MobileNetV3 whose bottlenecks fill a part of their
// expansion with copies of their input. With the asymmetry rate r, a bottleneck of c channels expanded to e computes
// e - r c channels and puts r copies of its input before and r behind them, so that its depthwise convolution sees
// e + r c channels. Channel counts are rounded up to multiples of 8, where MobileNetV3 rounds to the nearest.
//
// The tutorial calls its learning rate a piecewise decay, but its code anneals by cosine; its width multiplier leaves
// out the 1280 channels before the classifier. Both networks follow the code.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "convoy/error.h"
#include "convoy/model.h"
#include "models/layers/bneck_rows.h"
#include "models/layers/paddle_layers.h"
#include "models/layers/squeeze_excite.h"

namespace convoy {
namespace {

struct Variant {
  const char* name;
  std::span<const BneckRow> rows;
  int64_t squeezed;
};

constexpr Variant kVariants[] = {{"asymmnet_large", kLargeRows, 960}, {"asymmnet_small", kSmallRows, 576}};
constexpr int64_t kStem = 16;
constexpr int64_t kFeatures = 1280;

int64_t scaled(int64_t channels, double width) {
  return static_cast<int64_t>(std::ceil(static_cast<double>(channels) * width / 8)) * 8;
}

// A row of the variant's table at a width.
BneckRow scaled(BneckRow row, double width) {
  row.expanded = scaled(row.expanded, width);
  row.channels = scaled(row.channels, width);
  return row;
}

// Every expansion computes at least one channel of its own.
int64_t largest_rate(const Variant& variant, double width) {
  int64_t rate = kMaxAsymmetryRate, channels = scaled(kStem, width);
  for (const BneckRow& plain : variant.rows) {
    const BneckRow row = scaled(plain, width);
    if (row.expanded != channels) rate = std::min(rate, (row.expanded - 1) / channels);
    channels = row.channels;
  }
  return rate;
}

Value asymmetric_expansion(Builder b, Value x, int64_t expanded, Activation function, int64_t rate) {
  const int64_t computed = expanded - rate * x.channels();
  std::vector<Value> parts(static_cast<size_t>(rate), x);
  parts.push_back(paddle_conv_bn(b, x, {.out_channels = computed}, function));
  parts.insert(parts.end(), static_cast<size_t>(rate), x);
  return concat(parts);
}

Value asymmetric_bottleneck(Builder b, Value x, const BneckRow& row, int64_t rate) {
  Value y = x;
  if (row.expanded != x.channels()) y = asymmetric_expansion(b / "expand", x, row.expanded, row.activation, rate);
  y = paddle_conv_bn(b / "depthwise", y,
                     {.out_channels = y.channels(),
                      .kernel = row.kernel,
                      .stride = row.stride,
                      .padding = row.kernel / 2,
                      .groups = y.channels()},
                     row.activation);
  if (row.squeeze_excite) {
    y = squeeze_excite(y, {.reduce = b / "se" / "reduce",
                           .expand = b / "se" / "expand",
                           .reduced = scaled(y.channels() / 4, 1),
                           .gate = Activation::hard_sigmoid,
                           .start = paddle_normal});
  }
  y = paddle_conv_bn(b / "project", y, {.out_channels = row.channels});
  return row.stride == 1 && x.channels() == row.channels ? add(x, y) : y;
}

Value classifier(Builder b, Value x, const ModelOptions& options) {
  Conv2d conv{.out_channels = kFeatures, .bias = false};
  conv.weight_start = paddle_normal(conv, x.channels());
  x = activation(conv2d(b / 2, adaptive_avg_pool(x, 1), conv), kHardSwish);
  x = dropout(b / 4, reshape(x, {x.shape()[0], kFeatures}), options.dropout < 0 ? 0.2F : options.dropout);
  return linear(b / 6, x,
                {.out_features = options.num_classes,
                 .weight_start = xavier_uniform(kFeatures, options.num_classes),
                 .bias_start = Initializer::constant(0),
                 .head = true});
}

Value asymmnet(Builder b, Value x, const Variant& variant, const ModelOptions& options) {
  const double width = options.width;
  const int64_t rate = options.asymmetry_rate < 0 ? 1 : options.asymmetry_rate;
  if (const int64_t largest = largest_rate(variant, width); rate > largest) {
    throw UsageError(fmt::format("asymmetry-rate: expected at most {} for {} at width {}, got {}", largest,
                                 variant.name, width, rate));
  }
  x = paddle_conv_bn(b / "stem", x, {.out_channels = scaled(kStem, width), .kernel = 3, .stride = 2, .padding = 1},
                     kHardSwish);
  int index = 0;
  for (const BneckRow& row : variant.rows) {
    x = asymmetric_bottleneck(b / "blocks" / index++, x, scaled(row, width), rate);
  }
  x = paddle_conv_bn(b / "head" / 0, x, {.out_channels = scaled(variant.squeezed, width)}, kHardSwish);
  return classifier(b / "head", x, options);
}

}  // namespace

std::vector<Model> asymmnet_models() {
  std::vector<Model> family;
  for (const Variant& variant : kVariants) {
    family.push_back({.name = variant.name,
                      .description = "AsymmNet (Yang et al., 2021): MobileNetV3 with asymmetrical bottlenecks",
                      .image_size = 256,
                      .num_classes = 16,
                      .takes = {.dropout = true, .width = true, .asymmetry_rate = true},
                      .build = [&variant](Builder b, Value images, const ModelOptions& options) {
                        return asymmnet(b, images, variant, options);
                      }});
  }
  return family;
}

}  // namespace convoy
