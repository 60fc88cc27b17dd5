// MobileNetV3 (Howard et al., arXiv 1905.02244) as torchvision builds it.
#include <algorithm>
#include <span>

#include "convoy/model.h"
#include "models/layers/bneck_rows.h"
#include "models/layers/initializers.h"
#include "models/layers/squeeze_excite.h"

namespace convoy {
namespace {

struct Variant {
  const char* name;
  std::span<const BneckRow> rows;
  int64_t classifier_width;
};

constexpr Variant kVariants[] = {{"mobilenet_v3_large", kLargeRows, 1280}, {"mobilenet_v3_small", kSmallRows, 1024}};

Value conv_bn(Builder b, Value x, Conv2d conv, Activation function) {
  conv.bias = false;
  conv.weight_start = kaiming_fan_out(conv);
  x = batch_norm(b / 1, conv2d(b / 0, x, conv), {.eps = 1e-3F, .momentum = 0.01F});
  return activation(x, function);
}

// The nearest multiple of 8, but not below 0.9 of the channels.
int64_t make_divisible(int64_t channels) {
  const int64_t nearest = std::max<int64_t>(8, (channels + 4) / 8 * 8);
  return 10 * nearest < 9 * channels ? nearest + 8 : nearest;
}

Value inverted_residual(Builder b, Value x, const BneckRow& row) {
  int index = 0;
  Value y = x;
  if (row.expanded != x.channels()) y = conv_bn(b / index++, y, {.out_channels = row.expanded}, row.activation);
  y = conv_bn(b / index++, y,
              {.out_channels = row.expanded,
               .kernel = row.kernel,
               .stride = row.stride,
               .padding = row.kernel / 2,
               .groups = row.expanded},
              row.activation);
  if (row.squeeze_excite) {
    const Builder place = b / index++;
    y = squeeze_excite(y, {.reduce = place / "fc1",
                           .expand = place / "fc2",
                           .reduced = make_divisible(row.expanded / 4),
                           .gate = Activation::hard_sigmoid,
                           .start = [](const Conv2d& conv, int64_t) { return kaiming_fan_out(conv); }});
  }
  y = conv_bn(b / index, y, {.out_channels = row.channels}, Activation::none);
  return row.stride == 1 && x.channels() == row.channels ? add(x, y) : y;
}

Value mobilenet_v3(Builder b, Value x, const Variant& variant, const ModelOptions& options) {
  const Builder features = b / "features";
  int index = 0;
  x = conv_bn(features / index++, x, {.out_channels = 16, .kernel = 3, .stride = 2, .padding = 1}, kHardSwish);
  for (const BneckRow& row : variant.rows) x = inverted_residual(features / index++ / "block", x, row);
  x = conv_bn(features / index, x, {.out_channels = 6 * x.channels()}, kHardSwish);

  const Builder classifier = b / "classifier";
  Linear layer{.out_features = variant.classifier_width,
               .weight_start = Initializer::normal(0.01F),
               .bias_start = Initializer::constant(0)};
  x = activation(linear(classifier / 0, global_avg_pool(x), layer), kHardSwish);
  x = dropout(classifier / 2, x, options.dropout < 0 ? 0.2F : options.dropout);
  layer.out_features = options.num_classes;
  layer.head = true;
  return linear(classifier / 3, x, layer);
}

}  // namespace

std::vector<Model> mobilenet_v3_models() {
  std::vector<Model> family;
  for (const Variant& variant : kVariants) {
    family.push_back({.name = variant.name,
                      .description = "MobileNetV3 (Howard et al., 2019), torchvision's",
                      .takes = {.dropout = true},
                      .build = [&variant](Builder b, Value images, const ModelOptions& options) {
                        return mobilenet_v3(b, images, variant, options);
                      }});
  }
  return family;
}

}  // namespace convoy
