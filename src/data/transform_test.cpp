#include "data/transform.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "convoy/error.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

Image source() { return load_image(testing::data_folder() / "images" / "source.png"); }

Image transposed(const Image& image) {
  Image output(image.height(), image.width());
  for (int y = 0; y < output.height(); ++y) {
    for (int x = 0; x < output.width(); ++x) std::copy_n(image.row(x) + 3 * y, 3, output.row(y) + 3 * x);
  }
  return output;
}

Preprocessing squared(int size) {
  Preprocessing preprocessing;
  preprocessing.image_size = size;
  preprocessing.resize_mode = ResizeMode::squash;
  return preprocessing;
}

TEST(Transform, EvaluationEqualsTorchvisionsResizeAndCenterCrop) {
  const Image wide = source(), tall = transposed(wide);
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::data_folder() / "prepare")) {
    const std::string name = entry.path().stem().string();
    Preprocessing preprocessing;
    int resized = 0;
    ASSERT_EQ(std::sscanf(name.c_str(), "%*[^_]_%d_%d", &preprocessing.image_size, &resized), 2) << name;
    preprocessing.crop_pct = static_cast<double>(preprocessing.image_size) / resized;
    const Image& image = name.starts_with("wide") ? wide : tall;
    testing::expect_same_pixels(prepare(image.view(), preprocessing), testing::read_ppm(entry.path()), name);
    ++cases;
  }
  EXPECT_EQ(cases, 12);
}

TEST(Transform, SquashIsAPlainResize) {
  const Image image = source();
  testing::expect_same_pixels(prepare(image.view(), squared(20)), resize(image.view(), 20, 20, Interpolation::bilinear),
                              "squash");
}

TEST(Transform, NormalizationEqualsTheFormula) {
  const Preprocessing preprocessing;
  const Image image = source();
  std::vector<float> output(image.bytes());
  Normalizer{preprocessing}(image, output.data());
  for (size_t i = 0; i < output.size(); ++i) {
    const double expected =
        (image.row(0)[i] / 255.0 - double{preprocessing.mean[i % 3]}) / double{preprocessing.std[i % 3]};
    ASSERT_NEAR(output[i], expected, 1e-6);
  }
}

TEST(Transform, RefusesSettingsOutOfRange) {
  Preprocessing preprocessing;
  preprocessing.crop_pct = 1.5;
  EXPECT_THROW(check(preprocessing), Error);
}

}  // namespace
}  // namespace convoy
