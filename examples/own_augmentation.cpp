// Trains with an augmentation of its own: gray drops on every image.
//
//     own_augmentation DIR      DIR has one sub-folder of images a class
#include <convoy/error.h>
#include <convoy/own_augmentation.h>
#include <convoy/train.h>

#include <algorithm>
#include <cstdio>
#include <random>

namespace {

void drops(convoy::MutablePixels rgb, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int drop = 0; drop < 4; ++drop) {
    const auto left = static_cast<int>(random() % static_cast<uint64_t>(rgb.width));
    const auto top = static_cast<int>(random() % static_cast<uint64_t>(rgb.height));
    const int width = std::min(4, rgb.width - left), bottom = std::min(top + 4, rgb.height);
    for (int y = top; y < bottom; ++y)
      std::fill_n(&rgb.bytes[static_cast<size_t>(3 * (y * rgb.width + left))], 3 * width, uint8_t{128});
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) throw convoy::UsageError("usage: own_augmentation DIR");
  convoy::add_augmentation("drops", drops);
  convoy::Recipe recipe;
  recipe.data = argv[1];
  recipe.model = "resnet9";
  recipe.aa = "drops";
  recipe.epochs = 3;
  std::printf("trained, model in %s\n", convoy::train(recipe).folder.c_str());
} catch (const convoy::Error& error) {
  std::fprintf(stderr, "own_augmentation: %s\n", error.what());
  return 1;
}
