// Crops and flips.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "data/augment.h"
#include "tests/support/draws.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

// Every pixel tells where it is: (x, y, 200).
Image coordinates(int width, int height) {
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const std::array<int, 3> pixel{x + 1, y + 1, 200};
      std::transform(pixel.begin(), pixel.end(), image.row(y) + 3 * x, [](int v) { return static_cast<uint8_t>(v); });
    }
  }
  return image;
}

Preprocessing squared(int size) {
  Preprocessing preprocessing;
  preprocessing.image_size = size;
  preprocessing.resize_mode = ResizeMode::squash;
  return preprocessing;
}

SampleKey key(uint64_t sample, uint64_t epoch = 0) { return {3, epoch, sample}; }

Image augment(ImageView image, const Preprocessing& preprocessing, const Augmentation& augmentation,
              const SampleKey& key) {
  return Augmenter(preprocessing, augmentation).pixels(image, key);
}

TEST(Augment, AugmentationIsAFunctionOfItsStream) {
  Augmentation augmentation;
  augmentation.crop = TrainCrop::resized;
  augmentation.horizontal_flip = augmentation.vertical_flip = 0.5F;
  augmentation.rotation = 20;
  const Image image = coordinates(40, 30);
  const auto pixels = [&](uint64_t sample) {
    return testing::pixels_of(augment(image.view(), squared(16), augmentation, key(sample)));
  };
  EXPECT_EQ(pixels(1), pixels(1));
  EXPECT_NE(pixels(1), pixels(2));
}

TEST(Augment, FlipsHappenAsOftenAsAsked) {
  const Image image = coordinates(16, 16);
  Augmentation augmentation;
  augmentation.horizontal_flip = 0.25F;
  augmentation.vertical_flip = 0.75F;
  int horizontal = 0, vertical = 0;
  constexpr int kTries = 2000;
  for (uint64_t sample = 0; sample < kTries; ++sample) {
    const Image output = augment(image.view(), squared(16), augmentation, key(sample));
    for (int x : {0, 7, 15}) {
      const bool mirrored = output.row(3)[0] == 16;
      ASSERT_EQ(output.row(3)[3 * x], mirrored ? 16 - x : x + 1);
    }
    horizontal += output.row(0)[0] == 16;
    vertical += output.row(0)[1] == 16;
  }
  EXPECT_NEAR(horizontal, 0.25 * kTries, 80);
  EXPECT_NEAR(vertical, 0.75 * kTries, 80);
}

TEST(Augment, PaddedCropMovesTheImageAndShowsBlackBorders) {
  const Image image = coordinates(16, 16);
  Augmentation augmentation;
  augmentation.crop = TrainCrop::padded;
  augmentation.crop_padding = 2;
  std::array<int, 25> seen{};
  for (uint64_t sample = 0; sample < 1000; ++sample) {
    const Image output = augment(image.view(), squared(16), augmentation, key(sample));
    const int dx = output.row(8)[3 * 8] - 9, dy = output.row(8)[3 * 8 + 1] - 9;
    ASSERT_TRUE(std::abs(dx) <= 2 && std::abs(dy) <= 2);
    ++seen[static_cast<size_t>((dy + 2) * 5 + dx + 2)];
    for (int y = 0; y < 16; ++y) {
      for (int x = 0; x < 16; ++x) {
        const bool inside = x + dx >= 0 && x + dx < 16 && y + dy >= 0 && y + dy < 16;
        const uint8_t* pixel = output.row(y) + 3 * x;
        ASSERT_EQ(pixel[0], inside ? x + dx + 1 : 0);
        ASSERT_EQ(pixel[1], inside ? y + dy + 1 : 0);
        ASSERT_EQ(pixel[2], inside ? 200 : 0);
      }
    }
  }
  EXPECT_GT(*std::min_element(seen.begin(), seen.end()), 15);
}

TEST(Augment, PaddedCropReflectsWithoutRepeatingTheBorder) {
  const Image image = coordinates(16, 16);
  Augmentation augmentation;
  augmentation.crop = TrainCrop::padded;
  augmentation.padding_mode = CropPaddingMode::reflect;
  augmentation.crop_padding = 3;
  // numpy.pad(numpy.arange(1, 17), 3, "reflect")
  constexpr std::array<int, 22> kPadded{4, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 15, 14, 13};
  std::array<int, 49> seen{};
  for (uint64_t sample = 0; sample < 1000; ++sample) {
    const Image output = augment(image.view(), squared(16), augmentation, key(sample));
    const int left = output.row(8)[3 * 8] - 9 + 3, top = output.row(8)[3 * 8 + 1] - 9 + 3;
    ASSERT_TRUE(left >= 0 && left <= 6 && top >= 0 && top <= 6);
    ++seen[static_cast<size_t>(top * 7 + left)];
    for (int y = 0; y < 16; ++y) {
      for (int x = 0; x < 16; ++x) {
        ASSERT_EQ(output.row(y)[3 * x], kPadded[static_cast<size_t>(left + x)]);
        ASSERT_EQ(output.row(y)[3 * x + 1], kPadded[static_cast<size_t>(top + y)]);
      }
    }
  }
  EXPECT_GT(*std::min_element(seen.begin(), seen.end()), 5);
  augmentation.crop_padding = 16;
  EXPECT_THROW(Augmenter(squared(16), augmentation), Error);
}

TEST(Augment, AlternatingFlipsShowBothSidesInTwoEpochs) {
  const Image image = coordinates(16, 16);
  Augmentation augmentation;
  augmentation.horizontal_flip = 0.5F;
  augmentation.flip_mode = FlipMode::alternate;
  const auto mirrored = [&](uint64_t sample, uint64_t epoch) {
    return augment(image.view(), squared(16), augmentation, key(sample, epoch)).row(0)[0] == 16;
  };
  int at_first = 0;
  for (uint64_t sample = 0; sample < 1000; ++sample) {
    const bool first = mirrored(sample, 0);
    at_first += first;
    for (uint64_t epoch = 1; epoch < 6; ++epoch) ASSERT_EQ(mirrored(sample, epoch), first != (epoch % 2 == 1));
  }
  EXPECT_NEAR(at_first, 500, 60);
  augmentation.horizontal_flip = 0;
  EXPECT_FALSE(mirrored(0, 0) || mirrored(0, 1));
}

TEST(Augment, ResizedCropIsDrawnAsTorchvisionDrawsIt) {
  const Image image = coordinates(6, 5);
  Preprocessing preprocessing = squared(12);
  preprocessing.interpolation = Interpolation::nearest;  // so that the corners tell which part was cut out
  Augmentation augmentation;
  augmentation.crop = TrainCrop::resized;
  const Augmenter augmenter(preprocessing, augmentation);
  testing::Counts drawn;
  for (uint64_t sample = 0; sample < 100'000; ++sample) {
    const Image output = augmenter.pixels(image.view(), key(sample));
    const uint8_t* first = output.row(0);
    const uint8_t* last = output.row(11) + 3 * 11;
    ++drawn[fmt::format("{} {} {} {}", first[1] - 1, first[0] - 1, last[1] - first[1] + 1, last[0] - first[0] + 1)];
  }
  testing::expect_as_recorded(drawn, "resized_crop_6x5");
}

TEST(Augment, ResizedCropFallsBackToTheLargestPartInBounds) {
  const Image thin = coordinates(200, 10);
  Preprocessing preprocessing = squared(20);
  preprocessing.interpolation = Interpolation::nearest;
  Augmentation augmentation;
  augmentation.crop = TrainCrop::resized;
  augmentation.crop_scale = {0.9, 1.0};
  const Image output = augment(thin.view(), preprocessing, augmentation, key(0));
  // round(10 * 4 / 3) = 13 of the 200 columns, from (200 - 13) / 2 = 93 on.
  EXPECT_EQ(output.row(0)[0], 93 + 1);
}

}  // namespace
}  // namespace convoy
