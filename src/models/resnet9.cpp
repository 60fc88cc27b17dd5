// ResNet-9 (Page, "How to train your ResNet", 2018; DAWNBench) at half width, with strided convolutions instead of
// pooling: 53 million multiply-adds on a 32x32 image.
#include "convoy/model.h"
#include "models/layers/initializers.h"

namespace convoy {
namespace {

Value conv_bn_relu(Builder b, Value x, int64_t channels, int64_t stride) {
  Conv2d conv{.out_channels = channels, .kernel = 3, .stride = stride, .padding = 1, .bias = false};
  conv.weight_start = kaiming_fan_out(conv);
  return relu(batch_norm(b / "bn", conv2d(b / "conv", x, conv)));
}

Value residual(Builder b, Value x) {
  return add(x, conv_bn_relu(b / 1, conv_bn_relu(b / 0, x, x.channels(), 1), x.channels(), 1));
}

Value resnet9(Builder b, Value x, const ModelOptions& options) {
  x = conv_bn_relu(b / "stem", x, 32, 1);
  x = residual(b / "res1", conv_bn_relu(b / "down1", x, 64, 2));
  x = conv_bn_relu(b / "down2", x, 128, 2);
  x = residual(b / "res3", conv_bn_relu(b / "down3", x, 256, 2));
  return linear(b / "fc", global_avg_pool(x), {.out_features = options.num_classes, .head = true});
}

}  // namespace

std::vector<Model> resnet9_models() {
  return {{.name = "resnet9",
           .description = "ResNet-9 (Page, 2018) at half width: small and fast, for 32x32 images",
           .image_size = 32,
           .num_classes = 10,
           .activation = Activation::relu,
           .build = resnet9}};
}

}  // namespace convoy
