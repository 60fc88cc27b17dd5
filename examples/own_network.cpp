// Defines a network of its own, makes it known under a name, and trains it.
//
//     own_network DIR      DIR has one sub-folder of images a class
#include <convoy/error.h>
#include <convoy/model.h>
#include <convoy/train.h>

#include <cstdio>

namespace {

using convoy::Builder;
using convoy::Value;

Value conv_block(Builder b, Value x, int64_t channels, int64_t stride) {
  x = conv2d(b / "conv", x, {.out_channels = channels, .kernel = 3, .stride = stride, .padding = 1, .bias = false});
  return relu(batch_norm(b / "bn", x));
}

// Two convolutions and a short cut round them.
Value residual(Builder b, Value x) {
  const Value y = conv_block(b / "0", x, x.channels(), 1);
  return add(x, conv_block(b / "1", y, x.channels(), 1));
}

Value build(Builder b, Value images, const convoy::ModelOptions& options) {
  Value x = conv_block(b / "stem", images, 32, 1);
  for (int stage = 0; stage < 3; ++stage) {
    x = conv_block(b / "down" / stage, x, int64_t{64} << stage, 2);
    x = residual(b / "block" / stage, x);
  }
  return linear(b / "head", global_avg_pool(x), {.out_features = options.num_classes});
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: own_network DIR\n");
    return 2;
  }
  convoy::add_model({.name = "own", .description = "three residual stages", .image_size = 32, .build = build});
  convoy::Recipe recipe;
  recipe.data = argv[1];
  recipe.model = "own";
  recipe.epochs = 3;
  recipe.val_split = 0.2;
  const convoy::TrainResult result = convoy::train(recipe);
  std::printf("validation accuracy %.4f, model in %s\n", result.best.value_or(0), result.folder.c_str());
  return 0;
} catch (const convoy::Error& error) {
  std::fprintf(stderr, "own_network: %s\n", error.what());
  return 1;
}
