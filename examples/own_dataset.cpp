// Trains on images that the program makes itself: stripes across and down.
#include <convoy/error.h>
#include <convoy/own_dataset.h>
#include <convoy/train.h>

#include <cstdio>

namespace {

struct Stripes : convoy::LabelledImages {
  int64_t size() const override { return 80; }
  std::vector<std::string> class_names() const override { return {"across", "down"}; }
  int label(int64_t index) const override { return static_cast<int>(index % 2); }
  convoy::OwnImage image(int64_t index) const override {
    constexpr int kSide = 32;
    const auto width = static_cast<int>(2 + index / 2 % 5);
    convoy::OwnImage image{.bytes = {}, .width = kSide, .height = kSide};
    for (int i = 0; i < kSide * kSide; ++i) {
      const int place = label(index) == 0 ? i / kSide : i % kSide;
      image.bytes.insert(image.bytes.end(), 3, place / width % 2 == 0 ? 40 : 200);
    }
    return image;
  }
};

}  // namespace

int main() try {
  convoy::add_dataset("stripes", [] { return convoy::OwnDataset{std::make_shared<Stripes>()}; });
  convoy::Recipe recipe;
  recipe.data = "stripes";
  recipe.model = "resnet9";
  recipe.epochs = 3;
  recipe.val_split = 0.2;
  std::printf("validation accuracy %.4f\n", convoy::train(recipe).best.value_or(0));
} catch (const convoy::Error& error) {
  std::fprintf(stderr, "own_dataset: %s\n", error.what());
  return 1;
}
