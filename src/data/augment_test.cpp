#include "data/augment.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "convoy/error.h"
#include "data/erase.h"
#include "data/mix.h"
#include "tests/support/draws.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

constexpr int kSide = 20;
constexpr int64_t kFloats = kSide * kSide * 3;
constexpr uint64_t kDraws = 100'000;

Preprocessing sized(int side) {
  Preprocessing preprocessing;
  preprocessing.image_size = side;
  preprocessing.crop_pct = 1;
  return preprocessing;
}

TEST(Color, JitterStaysWithinItsStrength) {
  Image gray(8, 8);
  std::fill_n(gray.row(0), gray.bytes(), uint8_t{100});
  Augmentation augmentation;
  augmentation.brightness = 0.2F;
  const Augmenter augment(sized(8), augmentation);
  int lowest = 255, highest = 0;
  for (uint64_t sample = 0; sample < 500; ++sample) {
    const Image image = augment.pixels(gray.view(), {1, 0, sample});
    lowest = std::min<int>(lowest, image.row(0)[0]);
    highest = std::max<int>(highest, image.row(0)[0]);
  }
  EXPECT_NEAR(lowest, 80, 1);
  EXPECT_NEAR(highest, 119, 1);
}

TEST(Color, HueTurnsEitherWayButNoFurther) {
  Image red(8, 8);
  for (size_t i = 0; i < red.bytes(); ++i) red.row(0)[i] = i % 3 == 0 ? 200 : 0;
  Augmentation augmentation;
  augmentation.hue = 0.1F;
  const Augmenter augment(sized(8), augmentation);
  int greenest = 0, bluest = 0;
  for (uint64_t sample = 0; sample < 500; ++sample) {
    const Image image = augment.pixels(red.view(), {1, 0, sample});
    ASSERT_EQ(image.row(0)[0], 200);
    greenest = std::max<int>(greenest, image.row(0)[1]);
    bluest = std::max<int>(bluest, image.row(0)[2]);
  }
  // 25 of 255 steps of the circle, a sixth of which leads to 200; Pillow's circle closes after 256.
  EXPECT_NEAR(greenest, 25 / 255.0 * 6 * 200, 1);
  EXPECT_NEAR(bluest, 24 / 255.0 * 6 * 200, 1);
}

TEST(Augment, StepsHappenInTheOrderAskedFor) {
  // Left half white: a part cut out before the mirror differs from one cut out behind it.
  Image image(8, 8);
  for (size_t i = 0; i < image.bytes(); ++i) image.row(0)[i] = i / 3 % 8 < 4 ? 255 : 0;
  Augmentation augmentation;
  augmentation.crop = TrainCrop::padded;
  augmentation.crop_padding = 3;
  augmentation.horizontal_flip = 1;
  augmentation.erasing = 1;
  const auto pixels = [&](const char* order) {
    augmentation.order = augmentation_order_from_string(order);
    return testing::pixels_of(Augmenter(sized(8), augmentation).pixels(image.view(), {1, 0, 5}));
  };
  const auto standard = pixels("crop,hflip,vflip,rotate,aa,color-jitter,erase");
  EXPECT_EQ(standard, pixels("crop,vflip,rotate,hflip,aa,color-jitter,erase"));
  EXPECT_NE(standard, pixels("hflip,crop,vflip,rotate,aa,color-jitter,erase"));
  // Erasing before the end turns pixels black, which the standard order leaves to the normalised image.
  EXPECT_NE(standard, pixels("crop,erase,hflip,vflip,rotate,aa,color-jitter"));
  EXPECT_EQ(to_string(augmentation_order_from_string("erase,crop,hflip,vflip,rotate,aa,color-jitter")),
            "erase,crop,hflip,vflip,rotate,aa,color-jitter");
  EXPECT_THROW(augmentation_order_from_string("crop,hflip"), UsageError);
  EXPECT_THROW(augmentation_order_from_string("crop,hflip,hflip,rotate,aa,color-jitter,erase"), UsageError);
  EXPECT_THROW(augmentation_order_from_string("corp,hflip,vflip,rotate,aa,color-jitter,erase"), UsageError);
}

TEST(Augment, RefusesSettingsOutOfRange) {
  const auto refuses = [](auto change) {
    Augmentation augmentation;
    change(augmentation);
    EXPECT_THROW(Augmenter(sized(8), augmentation), Error);
  };
  refuses([](Augmentation& augmentation) { augmentation.horizontal_flip = 1.5F; });
  refuses([](Augmentation& augmentation) { augmentation.hue = 0.6F; });
  refuses([](Augmentation& augmentation) { augmentation.policy = "unknown"; });
  refuses([](Augmentation& augmentation) {
    augmentation.erasing = 1;
    augmentation.erase_mode = EraseMode::pixels;
    augmentation.order = augmentation_order_from_string("erase,crop,hflip,vflip,rotate,aa,color-jitter");
  });
}

// "top left height width" of the pixels that show `value`, which must be a rectangle; zeros where there is none.
std::string rectangle_of(const float* image, int side, float value) {
  int top = side, bottom = 0, left = side, right = 0, pixels = 0;
  for (int i = 0; i < side * side; ++i) {
    if (image[3 * i] != value) continue;
    ++pixels;
    top = std::min(top, i / side);
    bottom = std::max(bottom, i / side + 1);
    left = std::min(left, i % side);
    right = std::max(right, i % side + 1);
  }
  if (pixels == 0) return "0 0 0 0";
  EXPECT_EQ(pixels, (bottom - top) * (right - left));
  EXPECT_EQ(std::count(image, image + 3 * side * side, value), 3 * pixels);
  return fmt::format("{} {} {} {}", top, left, bottom - top, right - left);
}

TEST(Erase, RectanglesAreDrawnAsTimmDrawsThem) {
  Augmentation augmentation;
  augmentation.erasing = 1;
  constexpr int kSmall = 7;
  testing::Counts drawn;
  for (uint64_t sample = 0; sample < kDraws; ++sample) {
    std::vector<float> image(kSmall * kSmall * 3, 1.0F);
    erase_values(image.data(), kSmall, augmentation, RandomStream(1, "erase", 0, sample));
    ++drawn[rectangle_of(image.data(), kSmall, 0)];
  }
  testing::expect_as_recorded(drawn, "erase");
}

TEST(Erase, SeveralRectanglesShareTheArea) {
  Augmentation augmentation;
  augmentation.erasing = 0.9F;
  augmentation.erase_count = 3;
  testing::Counts drawn;
  for (uint64_t sample = 0; sample < kDraws; ++sample) {
    std::vector<float> image(kFloats, 1.0F);
    erase_values(image.data(), kSide, augmentation, RandomStream(1, "erase", 0, sample));
    ++drawn[fmt::format("{}", std::count(image.begin(), image.end(), 0.0F) / 3)];
  }
  testing::expect_as_recorded(drawn, "erase_3");
}

TEST(Erase, ModesSayWhatIsShown) {
  Augmentation augmentation;
  augmentation.erasing = 1;
  const auto erased = [&](EraseMode mode, int count) {
    augmentation.erase_mode = mode;
    augmentation.erase_count = count;
    std::vector<float> values;
    for (uint64_t sample = 0; sample < 100; ++sample) {
      std::vector<float> image(kFloats, 9.0F);
      erase_values(image.data(), kSide, augmentation, RandomStream(1, "erase", 0, sample));
      std::set<float> different;
      for (size_t i = 0; i < image.size(); i += 3) {
        if (image[i] != 9.0F) different.insert(image[i]);
      }
      if (mode == EraseMode::color) {
        EXPECT_LE(different.size(), static_cast<size_t>(count));
      }
      std::ranges::copy_if(image, std::back_inserter(values), [](float value) { return value != 9.0F; });
    }
    return values;
  };
  const std::vector<float> colors = erased(EraseMode::color, 1);
  EXPECT_GT(std::ranges::max(colors), 1.0F);
  const std::vector<float> pixels = erased(EraseMode::pixels, 3);
  double sum = 0, squares = 0;
  for (const float value : pixels) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  const auto count = static_cast<double>(pixels.size());
  EXPECT_NEAR(sum / count, 0, 0.05);
  EXPECT_NEAR(squares / count, 1, 0.05);
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
    augmentation.mixup_alpha = mixup;
    augmentation.cutmix_alpha = cutmix;
    mix(images.data(), targets.data(), kSamples, kSide, kSamples, augmentation, RandomStream(1, "mix", 0, step));
  }
  float own_share(int64_t i) const { return targets[static_cast<size_t>(i * kSamples + i)]; }

  static constexpr int64_t kSamples = 5;
  Augmentation augmentation;
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

// Calls visit(images, share) with a black and a white image of six pixels a side, mixed, of the first of which `share`
// is left.
template <class Visit>
void draw_mixtures(const Augmentation& augmentation, const Visit& visit) {
  constexpr int64_t kPixels = 6 * 6 * 3;
  for (uint64_t step = 0; step < kDraws; ++step) {
    std::vector<float> images(2 * kPixels), targets{1, 0, 0, 1};
    std::fill(images.begin() + kPixels, images.end(), 1.0F);
    mix(images.data(), targets.data(), 2, 6, 2, augmentation, RandomStream(1, "mix", 0, step));
    visit(images, targets[0]);
  }
}

TEST(Mix, CutRectanglesAreDrawnAsTimmDrawsThem) {
  Augmentation augmentation;
  augmentation.cutmix_alpha = 1;
  testing::Counts drawn;
  draw_mixtures(augmentation,
                [&](const std::vector<float>& images, float /*share*/) { ++drawn[rectangle_of(images.data(), 6, 1)]; });
  testing::expect_as_recorded(drawn, "cutmix");
}

TEST(Mix, SharesAreDrawnAsTimmDrawsThem) {
  Augmentation augmentation;
  augmentation.mixup_alpha = 0.4;
  augmentation.cutmix_alpha = 1;
  augmentation.mix_probability = 0.8;
  augmentation.mix_switch_probability = 0.3;
  testing::Counts drawn;
  draw_mixtures(augmentation, [&](const std::vector<float>& images, float share) {
    const bool cut = std::ranges::all_of(images, [](float x) { return x == std::floor(x); });
    ++drawn[fmt::format("{} {}", share == 1 ? "none" : cut ? "cut" : "blend", std::floor(10 * share))];
  });
  testing::expect_as_recorded(drawn, "mix");
}

TEST_F(MixTest, PairsAndElementsHaveTheirOwnMixtures) {
  for (const auto mode : {MixMode::pair, MixMode::element}) {
    augmentation.mix_mode = mode;
    SetUp();
    mix_with(1.0, 0, 7);
    EXPECT_NE(own_share(0), own_share(1));
    EXPECT_EQ(own_share(0) == own_share(4), mode == MixMode::pair);
    EXPECT_EQ(own_share(2), 1);
    for (const int64_t i : {0, 1, 3, 4}) {
      const int64_t other = kSamples - 1 - i;
      const float expected = own_share(i) * static_cast<float>(i) + (1 - own_share(i)) * static_cast<float>(other);
      for (int64_t j = 0; j < kFloats; ++j) ASSERT_NEAR(images[static_cast<size_t>(i * kFloats + j)], expected, 1e-5);
      ASSERT_NEAR(targets[static_cast<size_t>(i * kSamples + other)], 1 - own_share(i), 1e-6);
    }
  }
}

TEST_F(MixTest, ElementsCutTheirOwnRectangles) {
  augmentation.mix_mode = MixMode::element;
  for (uint64_t step = 0; step < 50; ++step) {
    SetUp();
    mix_with(0, 1.0, step);
    for (const int64_t i : {0, 1, 3, 4}) {
      const auto begin = images.begin() + i * kFloats;
      const auto own = std::count(begin, begin + kFloats, static_cast<float>(i));
      ASSERT_EQ(own + std::count(begin, begin + kFloats, static_cast<float>(kSamples - 1 - i)), kFloats);
      ASSERT_NEAR(own_share(i), static_cast<double>(own) / kFloats, 1e-6);
    }
  }
}

}  // namespace
}  // namespace convoy
