// Trains on a loss of its own, Brier's: the squared distance between probabilities and targets.
//
//     own_loss DIR      DIR has one sub-folder of images a class
#include <convoy/error.h>
#include <convoy/loss.h>
#include <convoy/ops.h>
#include <convoy/train.h>

#include <cstdio>

namespace {

using convoy::Shape;
using convoy::Value;

Value brier(Value logits, Value targets, float /*smoothing*/) {
  const Value error = add(softmax(logits), scale(targets, -1));
  const int64_t classes = logits.channels();
  const Value mean = global_avg_pool(reshape(mul(error, error), Shape{1, logits.shape()[0], classes, 1}));
  return scale(reshape(mean, Shape{}), static_cast<float>(classes));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) throw convoy::UsageError("usage: own_loss DIR");
  convoy::add_loss("brier", brier);
  convoy::Recipe recipe;
  recipe.data = argv[1];
  recipe.model = "resnet9";
  recipe.loss = "brier";
  recipe.epochs = 3;
  std::printf("trained, model in %s\n", convoy::train(recipe).folder.c_str());
} catch (const convoy::Error& error) {
  std::fprintf(stderr, "own_loss: %s\n", error.what());
  return 1;
}
