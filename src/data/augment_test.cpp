#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "data/color.h"
#include "data/mix.h"
#include "data/transform.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

constexpr int kSide = 20;
constexpr int64_t kFloats = kSide * kSide * 3;

TEST(Color, EqualsPillowsImageEnhance) {
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::data_folder() / "color")) {
    const std::string name = entry.path().stem().string();
    const auto change = name.starts_with("brightness") ? change_brightness
                        : name.starts_with("contrast") ? change_contrast
                                                       : change_saturation;
    Image image = load_image(testing::data_folder() / "images" / "source.png");
    change(image, std::stof(name.substr(name.find('_') + 1)));
    testing::expect_same_pixels(image, testing::read_ppm(entry.path()), name);
    ++cases;
  }
  EXPECT_EQ(cases, 9);
}

TEST(Color, JitterStaysWithinItsStrength) {
  Image gray(8, 8);
  std::fill_n(gray.row(0), gray.bytes(), uint8_t{100});
  Preprocessing preprocessing;
  preprocessing.image_size = 8;
  preprocessing.crop_pct = 1;
  Augmentation augmentation;
  augmentation.brightness = 0.2F;
  int lowest = 255, highest = 0;
  for (uint64_t sample = 0; sample < 500; ++sample) {
    const Image image = augment(gray.view(), preprocessing, augmentation, {1, 0, sample});
    lowest = std::min<int>(lowest, image.row(0)[0]);
    highest = std::max<int>(highest, image.row(0)[0]);
  }
  EXPECT_NEAR(lowest, 80, 1);
  EXPECT_NEAR(highest, 119, 1);
}

TEST(Erase, ARectangleOfTheRightSizeBecomesZeroAsOftenAsAsked) {
  Augmentation augmentation;
  augmentation.erasing = 0.25F;
  int erased = 0;
  for (uint64_t sample = 0; sample < 2000; ++sample) {
    std::vector<float> image(kFloats, 1.0F);
    erase(image.data(), kSide, augmentation, {1, 0, sample});
    int left = kSide, right = -1, top = kSide, bottom = -1, zeros = 0;
    for (int i = 0; i < kSide * kSide; ++i) {
      if (image[static_cast<size_t>(3 * i)] != 0) continue;
      ++zeros;
      left = std::min(left, i % kSide);
      right = std::max(right, i % kSide);
      top = std::min(top, i / kSide);
      bottom = std::max(bottom, i / kSide);
    }
    if (zeros == 0) continue;
    ++erased;
    const int width = right - left + 1, height = bottom - top + 1;
    ASSERT_EQ(zeros, width * height);
    ASSERT_EQ(std::count(image.begin(), image.end(), 0.0F), 3 * zeros);
    ASSERT_GE(zeros, 4);
    ASSERT_LE(zeros, 0.36 * kSide * kSide);
  }
  EXPECT_NEAR(erased, 500, 70);
}

TEST(Mix, BetaSamplesHaveTheirMeanAndVariance) {
  for (const double alpha : {0.2, 0.8, 1.0, 3.0}) {
    RandomStream random(4, "beta");
    double sum = 0, squares = 0;
    constexpr int kSamples = 20000;
    for (int i = 0; i < kSamples; ++i) {
      const double x = beta_sample(alpha, random);
      ASSERT_TRUE(x >= 0 && x <= 1);
      sum += x;
      squares += (x - 0.5) * (x - 0.5);
    }
    EXPECT_NEAR(sum / kSamples, 0.5, 0.015) << alpha;
    EXPECT_NEAR(squares / kSamples, 1 / (4 * (2 * alpha + 1)), 0.004) << alpha;
  }
}

// A batch whose sample i is filled with the number i and belongs to class i.
struct MixTest : public ::testing::Test {
  void SetUp() override {
    std::fill(targets.begin(), targets.end(), 0.0F);
    for (int64_t i = 0; i < kSamples; ++i) {
      std::fill_n(images.begin() + i * kFloats, kFloats, static_cast<float>(i));
      targets[static_cast<size_t>(i * kSamples + i)] = 1;
    }
  }
  void mix_with(double mixup, double cutmix, uint64_t step) {
    Augmentation augmentation;
    augmentation.mixup_alpha = mixup;
    augmentation.cutmix_alpha = cutmix;
    mix(images.data(), targets.data(), kSamples, kSide, kSamples, augmentation, RandomStream(1, "mix", 0, step));
  }
  float own_share(int64_t i) const { return targets[static_cast<size_t>(i * kSamples + i)]; }

  static constexpr int64_t kSamples = 5;
  std::vector<float> images = std::vector<float>(kSamples * kFloats);
  std::vector<float> targets = std::vector<float>(kSamples * kSamples);
};

TEST_F(MixTest, MixUpBlendsImagesAsItBlendsTargets) {
  mix_with(0.8, 0, 3);
  for (int64_t i = 0; i < kSamples; ++i) {
    const int64_t other = kSamples - 1 - i;
    const float share = own_share(i);
    EXPECT_FLOAT_EQ(share, own_share(other));
    if (i != other) {
      EXPECT_FLOAT_EQ(targets[static_cast<size_t>(i * kSamples + other)], 1 - share);
    }
    const float expected =
        i == other ? static_cast<float>(i) : share * static_cast<float>(i) + (1 - share) * static_cast<float>(other);
    for (int64_t j = 0; j < kFloats; ++j) ASSERT_NEAR(images[static_cast<size_t>(i * kFloats + j)], expected, 1e-5);
  }
}

TEST_F(MixTest, CutMixTargetsAreTheShareOfTheArea) {
  for (uint64_t step = 0; step < 50; ++step) {
    SetUp();
    mix_with(0, 1.0, step);
    for (const int64_t i : {0, 1, 3, 4}) {
      const auto begin = images.begin() + i * kFloats;
      const auto own = std::count(begin, begin + kFloats, static_cast<float>(i));
      const auto others = std::count(begin, begin + kFloats, static_cast<float>(kSamples - 1 - i));
      ASSERT_EQ(own + others, kFloats);
      ASSERT_NEAR(own_share(i), static_cast<double>(own) / kFloats, 1e-6);
    }
  }
}

TEST_F(MixTest, WithBothEachHappensHalfTheTime) {
  int cut = 0;
  for (uint64_t step = 0; step < 400; ++step) {
    SetUp();
    mix_with(1.0, 1.0, step);
    cut += std::all_of(images.begin(), images.end(), [](float x) { return x == std::floor(x); });
  }
  EXPECT_NEAR(cut, 200, 45);
}

}  // namespace
}  // namespace convoy
