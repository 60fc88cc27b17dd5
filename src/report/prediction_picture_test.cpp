#include "report/prediction_picture.h"

#include <gtest/gtest.h>

#include <vector>

#include "report/chart.h"
#include "tests/support/load_image.h"

namespace convoy {
namespace {

class PredictionPicture : public testing::Test {
 protected:
  ~PredictionPicture() override { std::filesystem::remove(file_); }

  Image drawn(int width, int height, const std::vector<Prediction>& classes) const {
    Image photo(width, height);
    std::fill_n(photo.row(0), photo.bytes(), uint8_t{0});
    draw_predictions(photo.view(), classes).save(file_);
    return load_image(file_);
  }

  const std::filesystem::path file_ = std::filesystem::path(testing::TempDir()) / "convoy_prediction.png";
};

bool is_black(const Image& image, int x, int y) { return image.row(y)[3 * x] < 8; }

// Of the bar in the line of class `number`, in pixels: what is coloured at its lower edge, where no text is.
int bar_length(const Image& image, int photo_height, int number) {
  const uint8_t* row = image.row(photo_height + 24 * number + 21);
  int length = 0;
  while (length < image.width() && row[3 * length] < 250) ++length;
  return length;
}

TEST_F(PredictionPicture, HasThePhotoAboveABarForEachClass) {
  const Image image = drawn(400, 100, {{"cat", 0, 0.75}, {"dog", 1, 0.25}});
  EXPECT_EQ(image.width(), 400);
  EXPECT_EQ(image.height(), 100 + 2 * 24);
  EXPECT_TRUE(is_black(image, 0, 0) && is_black(image, 399, 99));
  EXPECT_EQ(bar_length(image, 100, 0), 300);
  EXPECT_EQ(bar_length(image, 100, 1), 100);
}

TEST_F(PredictionPicture, SmallPhotosAreEnlargedAndLargeOnesShrunk) {
  const Image small = drawn(32, 32, {{"cat", 0, 1}});
  EXPECT_EQ(small.width(), 240);
  EXPECT_EQ(small.height(), 240 + 24);
  const Image large = drawn(3000, 1500, {{"cat", 0, 1}});
  EXPECT_EQ(large.width(), 1024);
  EXPECT_EQ(large.height(), 512 + 24);
  const Image panorama = drawn(40000, 8, {{"cat", 0, 1}});
  EXPECT_EQ(panorama.width(), 1024);
  EXPECT_EQ(panorama.height(), 1 + 24);
  const Image tower = drawn(10, 4000, {{"cat", 0, 1}});
  EXPECT_EQ(tower.width(), 240);
  EXPECT_EQ(tower.height(), 1024 + 24);
  EXPECT_TRUE(is_black(tower, 120, 500));
  EXPECT_FALSE(is_black(tower, 60, 500));
}

}  // namespace
}  // namespace convoy
