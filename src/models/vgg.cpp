// VGG (Simonyan and Zisserman, arXiv 1409.1556) as torchvision builds it.
#include <array>
#include <vector>

#include "convoy/model.h"
#include "models/layers/initializers.h"

namespace convoy {
namespace {

// Convolutions in each of the five stages, between which the maps are halved.
struct Variant {
  const char* name;
  std::array<int, 5> depths;
};

constexpr Variant kVariants[] = {
    {"vgg11", {1, 1, 2, 2, 2}},
    {"vgg13", {2, 2, 2, 2, 2}},
    {"vgg16", {2, 2, 3, 3, 3}},
    {"vgg19", {2, 2, 4, 4, 4}},
};

Value features(Builder b, Value x, const Variant& variant, bool norm) {
  int index = 0;  // torch counts activations and poolings too
  for (size_t stage = 0; stage < variant.depths.size(); ++stage) {
    Conv2d conv{.out_channels = stage < 3 ? int64_t{64} << stage : 512, .kernel = 3, .padding = 1};
    conv.weight_start = kaiming_fan_out(conv);
    conv.bias_start = Initializer::constant(0);
    for (int i = 0; i < variant.depths[stage]; ++i) {
      x = conv2d(b / index++, x, conv);
      if (norm) x = batch_norm(b / index++, x);
      x = relu(x);
      ++index;
    }
    x = max_pool(x, {.kernel = 2, .stride = 2});
    ++index;
  }
  return x;
}

Value classifier(Builder b, Value x, const ModelOptions& options) {
  const float rate = options.dropout < 0 ? 0.5F : options.dropout;
  const auto layer = [&](int index, int64_t width, bool head = false) {
    x = linear(b / index, x,
               {.out_features = width,
                .weight_start = Initializer::normal(0.01F),
                .bias_start = Initializer::constant(0),
                .head = head});
  };
  for (const int index : {0, 3}) {
    layer(index, 4096);
    x = dropout(b / (index + 2), relu(x), rate);
  }
  layer(6, options.num_classes, true);
  return x;
}

}  // namespace

std::vector<Model> vgg_models() {
  std::vector<Model> family;
  for (const Variant& variant : kVariants) {
    for (const bool norm : {false, true}) {
      family.push_back({.name = std::string(variant.name) + (norm ? "_bn" : ""),
                        .description = norm ? "VGG with batch norm, torchvision's"
                                            : "VGG (Simonyan and Zisserman, 2014), torchvision's",
                        .takes = {.dropout = true},
                        .activation = Activation::relu,
                        .build = [&variant, norm](Builder b, Value images, const ModelOptions& options) {
                          const Value maps = features(b / "features", images, variant, norm);
                          return classifier(b / "classifier", flatten(adaptive_avg_pool(maps, 7)), options);
                        }});
    }
  }
  return family;
}

}  // namespace convoy
