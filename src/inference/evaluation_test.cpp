#include "inference/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace convoy {
namespace {

constexpr int64_t kSize = 4;

// An image whose red is 10 * row + column, green and blue the same plus 100 and 200.
std::vector<float> numbered_image() {
  std::vector<float> image;
  for (int y = 0; y < kSize; ++y) {
    for (int x = 0; x < kSize; ++x) {
      for (int c = 0; c < 3; ++c) image.push_back(static_cast<float>(100 * c + 10 * y + x));
    }
  }
  return image;
}

// The red of a view, row by row.
std::vector<float> red_of(const TtaView& view) {
  std::vector<float> images = numbered_image();
  // A second image, to see that they do not mix.
  for (const float x : numbered_image()) images.push_back(x + 1000);
  std::vector<float> seen(images.size());
  copy_view(images.data(), 2, kSize, view, seen.data());
  std::vector<float> red;
  for (size_t i = 0; i < images.size() / 2; i += 3) {
    red.push_back(seen[i]);
    EXPECT_EQ(seen[i + 1], seen[i] + 100);
    EXPECT_EQ(seen[i + 2], seen[i] + 200);
    EXPECT_EQ(seen[images.size() / 2 + i], seen[i] + 1000);
  }
  return red;
}

TEST(TestTimeAugmentation, ViewsAreThoseOfAirbench94) {
  using testing::ElementsAre;
  EXPECT_THAT(red_of({}), ElementsAre(0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23, 30, 31, 32, 33));
  EXPECT_THAT(red_of({.mirrored = true}), ElementsAre(3, 2, 1, 0, 13, 12, 11, 10, 23, 22, 21, 20, 33, 32, 31, 30));
  // torch.nn.functional.pad(x, (1, 1, 1, 1), "reflect")[:, :, 0:4, 0:4] and [:, :, 2:6, 2:6], and .flip(-1) of each
  EXPECT_THAT(red_of({.shift = -1}), ElementsAre(11, 10, 11, 12, 1, 0, 1, 2, 11, 10, 11, 12, 21, 20, 21, 22));
  EXPECT_THAT(red_of({.shift = 1}), ElementsAre(11, 12, 13, 12, 21, 22, 23, 22, 31, 32, 33, 32, 21, 22, 23, 22));
  EXPECT_THAT(red_of({.mirrored = true, .shift = -1}),
              ElementsAre(12, 11, 10, 11, 2, 1, 0, 1, 12, 11, 10, 11, 22, 21, 20, 21));
  EXPECT_THAT(red_of({.mirrored = true, .shift = 1}),
              ElementsAre(12, 13, 12, 11, 22, 23, 22, 21, 32, 33, 32, 31, 22, 23, 22, 21));
}

TEST(TestTimeAugmentation, WeightsAddUp) {
  for (const Tta tta : {Tta::none, Tta::hflip, Tta::hflip_shift}) {
    double sum = 0;
    for (const TtaView& view : views_of(tta)) sum += view.weight;
    EXPECT_EQ(sum, 1);
  }
  EXPECT_EQ(views_of(Tta::hflip).size(), 2U);
  EXPECT_EQ(views_of(Tta::hflip_shift).size(), 6U);
}

}  // namespace
}  // namespace convoy
