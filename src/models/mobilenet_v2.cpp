// MobileNetV2 (Sandler et al., arXiv 1801.04381) as torchvision builds it.
#include "convoy/model.h"
#include "models/layers/initializers.h"

namespace convoy {
namespace {

struct Stage {
  int64_t expansion;
  int64_t channels;
  int repeats;
  int64_t stride;
};

constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

Value conv_bn(Builder conv_place, Builder norm_place, Value x, Conv2d conv) {
  conv.bias = false;
  conv.weight_start = kaiming_fan_out(conv);
  return batch_norm(norm_place, conv2d(conv_place, x, conv));
}

Value conv_bn_relu6(Builder b, Value x, const Conv2d& conv) {
  return activation(conv_bn(b / 0, b / 1, x, conv), Activation::relu6);
}

Value inverted_residual(Builder b, Value x, int64_t expansion, int64_t channels, int64_t stride) {
  const int64_t hidden = x.channels() * expansion;
  int index = 0;
  Value y = x;
  if (expansion != 1) y = conv_bn_relu6(b / index++, y, {.out_channels = hidden});
  y = conv_bn_relu6(b / index++, y,
                    {.out_channels = hidden, .kernel = 3, .stride = stride, .padding = 1, .groups = hidden});
  y = conv_bn(b / index, b / (index + 1), y, {.out_channels = channels});
  return stride == 1 && x.channels() == channels ? add(x, y) : y;
}

Value mobilenet_v2(Builder b, Value x, const ModelOptions& options) {
  const Builder features = b / "features";
  int index = 0;
  x = conv_bn_relu6(features / index++, x, {.out_channels = 32, .kernel = 3, .stride = 2, .padding = 1});
  for (const Stage& stage : kStages) {
    for (int i = 0; i < stage.repeats; ++i) {
      x = inverted_residual(features / index++ / "conv", x, stage.expansion, stage.channels, i == 0 ? stage.stride : 1);
    }
  }
  x = conv_bn_relu6(features / index, x, {.out_channels = 1280});
  x = dropout(b / "classifier" / 0, global_avg_pool(x), options.dropout < 0 ? 0.2F : options.dropout);
  return linear(b / "classifier" / 1, x,
                {.out_features = options.num_classes,
                 .weight_start = Initializer::normal(0.01F),
                 .bias_start = Initializer::constant(0),
                 .head = true});
}

}  // namespace

std::vector<Model> mobilenet_v2_models() {
  return {{.name = "mobilenet_v2",
           .description = "MobileNetV2 (Sandler et al., 2018), torchvision's",
           .takes = {.dropout = true},
           .activation = Activation::relu6,
           .build = mobilenet_v2}};
}

}  // namespace convoy
