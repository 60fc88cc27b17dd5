#include "report/picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "convoy/error.h"
#include "tests/support/load_image.h"

namespace convoy {
namespace {

class PictureTest : public testing::Test {
 protected:
  PictureTest() { std::filesystem::create_directories(folder_); }
  ~PictureTest() override { std::filesystem::remove_all(folder_); }

  Image saved(const Picture& picture, double scale = 1) const {
    picture.save(folder_ / "picture.png", scale);
    return load_image(folder_ / "picture.png");
  }

  std::string saved_svg(const Picture& picture) const {
    picture.save(folder_ / "picture.svg");
    std::ifstream stream(folder_ / "picture.svg");
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "convoy_picture";
};

std::vector<int> pixel(const Image& image, int x, int y) {
  const uint8_t* at = image.row(y) + ptrdiff_t{3} * x;
  return {at[0], at[1], at[2]};
}

// Pixels that are not white.
int marks(const Image& image) {
  int count = 0;
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) count += pixel(image, x, y) == std::vector{255, 255, 255} ? 0 : 1;
  }
  return count;
}

TEST_F(PictureTest, LinesAndDotsDoNotReachBackToTheTextBeforeThem) {
  const std::vector<Point> line = {{50, 55}, {55, 55}};
  Picture alone(60, 60), after_text(60, 60);
  alone.line(line, rgb(0), 2);
  alone.dot({40, 45}, 2, rgb(0));
  after_text.text("a", {0, 5}, {});
  after_text.line(line, rgb(0), 2);
  after_text.text("a", {0, 5}, {});
  after_text.dot({40, 45}, 2, rgb(0));
  const Image expected = saved(alone), image = saved(after_text);
  for (int y = 0; y < 60; ++y) {
    for (int x = 15; x < 60; ++x) EXPECT_EQ(pixel(image, x, y), pixel(expected, x, y)) << x << ", " << y;
  }
}

TEST_F(PictureTest, ShapesLieWhereTheyWereDrawn) {
  Picture picture(40, 30);
  picture.fill({10, 5, 20, 10}, rgb(0xFF8000));
  const Image image = saved(picture, 2);
  EXPECT_EQ(image.width(), 80);
  EXPECT_EQ(image.height(), 60);
  EXPECT_EQ(pixel(image, 0, 0), (std::vector{255, 255, 255}));
  EXPECT_EQ(pixel(image, 20, 10), (std::vector{255, 128, 0}));
  EXPECT_EQ(pixel(image, 59, 29), (std::vector{255, 128, 0}));
  EXPECT_EQ(pixel(image, 60, 30), (std::vector{255, 255, 255}));
  EXPECT_EQ(marks(image), 40 * 20);
}

TEST_F(PictureTest, AnImageKeepsItsColoursAndItsPixelsWhereItIsEnlarged) {
  Image photo(2, 1);
  const std::vector<uint8_t> colors = {200, 10, 30, 0, 120, 250};
  std::ranges::copy(colors, photo.row(0));
  Picture picture(20, 10);
  picture.image(photo.view(), {0, 0, 20, 10});
  const Image image = saved(picture);
  EXPECT_EQ(pixel(image, 0, 0), (std::vector{200, 10, 30}));
  EXPECT_EQ(pixel(image, 9, 9), (std::vector{200, 10, 30}));
  EXPECT_EQ(pixel(image, 10, 0), (std::vector{0, 120, 250}));
  EXPECT_EQ(pixel(image, 19, 9), (std::vector{0, 120, 250}));
}

TEST_F(PictureTest, AnImageWiderThanCairoTakesIsDrawnAllTheSame) {
  Image panorama(40000, 4);
  for (int y = 0; y < panorama.height(); ++y) {
    for (int x = 0; x < panorama.width(); ++x) {
      const std::vector<uint8_t> color =
          x < 20000 ? std::vector<uint8_t>{200, 10, 30} : std::vector<uint8_t>{0, 120, 250};
      std::ranges::copy(color, panorama.row(y) + ptrdiff_t{3} * x);
    }
  }
  Picture picture(100, 10);
  picture.image(panorama.view(), {0, 0, 100, 10});
  const Image image = saved(picture);
  EXPECT_EQ(pixel(image, 20, 5), (std::vector{200, 10, 30}));
  EXPECT_EQ(pixel(image, 80, 5), (std::vector{0, 120, 250}));
}

TEST_F(PictureTest, APictureTooLargeForCairoIsNamed) {
  try {
    Picture(40000, 4).save(folder_ / "wide.png");
    FAIL() << "cairo took it";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("wide.png: cannot draw the picture: invalid value"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "wide.png"));
}

TEST_F(PictureTest, TextIsAnchoredAndSharpAtEveryScale) {
  const TextStyle style{.size = 10, .anchor = TextStyle::Anchor::right};
  Picture picture(100, 20);
  const double width = picture.text_width("0.5", style);
  EXPECT_GT(width, 10);
  EXPECT_LT(width, 20);
  picture.text("0.5", {60, 10}, style);
  const Image image = saved(picture);
  EXPECT_GT(marks(image), 20);
  for (int y = 0; y < 20; ++y) {
    EXPECT_EQ(pixel(image, static_cast<int>(58 - width), y), (std::vector{255, 255, 255}));
    EXPECT_EQ(pixel(image, 61, y), (std::vector{255, 255, 255}));
  }
  // Four times the pixels on a side are sixteen times the area; the soft edges grow by less.
  EXPECT_GT(marks(saved(picture, 4)), 7 * marks(image));
}

TEST_F(PictureTest, BytesThatAreNoTextDoNotSpoilThePicture) {
  Picture picture(100, 20);
  picture.text("caf\xE9", {5, 10}, {});
  EXPECT_GT(marks(saved(picture)), 20);
}

TEST_F(PictureTest, SvgHasTheSizeAndNoPixels) {
  Picture picture(40, 30);
  picture.line(std::vector<Point>{{0, 0}, {20, 10}, {40, 30}}, rgb(0x0072B2), 2);
  const std::string svg = saved_svg(picture);
  EXPECT_THAT(svg, testing::HasSubstr("viewBox=\"0 0 40 30\""));
  EXPECT_THAT(svg, testing::HasSubstr("<path"));
  EXPECT_THAT(svg, testing::Not(testing::HasSubstr("<image")));
}

TEST_F(PictureTest, RefusesOtherFormatsAndFoldersThatAreNotThere) {
  const Picture picture(4, 4);
  EXPECT_THROW(picture.save(folder_ / "picture.jpg"), UsageError);
  EXPECT_THROW(picture.save(folder_ / "none" / "picture.png"), Error);
}

}  // namespace
}  // namespace convoy
