#include "data/resize.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "core/cpu.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

Image source() { return load_image(testing::data_folder() / "images" / "source.png"); }

TEST(Resize, EqualsPillowInEveryModeAndDirection) {
  const Image image = source();
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    int cases = 0;
    for (const auto& entry : std::filesystem::directory_iterator(testing::data_folder() / "resize")) {
      const std::string name = entry.path().stem().string();
      const auto interpolation = interpolation_from_string(name.substr(0, name.find('_')));
      int width = 0, height = 0;
      ASSERT_TRUE(interpolation && std::sscanf(name.c_str(), "%*[^_]_%dx%d", &width, &height) == 2) << name;
      testing::expect_same_pixels(resize(image.view(), width, height, *interpolation), testing::read_ppm(entry.path()),
                                  name);
      ++cases;
    }
    EXPECT_EQ(cases, 20);
  }
}

Image transposed(const Image& image) {
  Image result(image.height(), image.width());
  for (int y = 0; y < result.height(); ++y) {
    for (int x = 0; x < result.width(); ++x) std::copy_n(image.row(x) + 3 * y, 3, result.row(y) + 3 * x);
  }
  return result;
}

Image golden(const std::string& name) {
  return testing::read_ppm(testing::data_folder() / "resize_order" / (name + ".ppm"));
}

TEST(Resize, TheOrderOfThePassesIsPillows) {
  const Image wide = source(), tall = transposed(wide);
  for (const Interpolation interpolation : {Interpolation::bilinear, Interpolation::bicubic}) {
    const auto expect = [&](const Image& image, const std::string& shape, int width, int height) {
      const std::string name = fmt::format("{}_{}_{}x{}", to_string(interpolation), shape, width, height);
      testing::expect_same_pixels(resize(image.view(), width, height, interpolation), golden(name), name);
    };
    for (const auto& [width, height] : {std::pair{30, 15}, {30, 14}, {40, 20}}) expect(wide, "wide", width, height);
    for (const auto& [width, height] : {std::pair{24, 27}, {24, 26}, {40, 20}}) expect(tall, "tall", width, height);
  }
}

TEST(Resize, ASquashedPhotoIsPillows) {
  Image image(300, 400);
  for (int y = 0; y < 400; ++y) {
    for (int x = 0; x < 300; ++x) {
      uint8_t* pixel = image.row(y) + 3 * x;
      pixel[0] = static_cast<uint8_t>((x * 7 + y * y) % 256);
      pixel[1] = static_cast<uint8_t>((x * y) % 251);
      pixel[2] = static_cast<uint8_t>((x * x + 3 * y) % 256);
    }
  }
  testing::expect_same_pixels(resize(image.view(), {224, 224, 100, 60, 30, 20}, Interpolation::bilinear),
                              golden("squashed_300x400"), "300x400 to 224x224");
}

TEST(Resize, ACropIsResizedAsAnImageOfItsSize) {
  testing::expect_same_pixels(resize(source().view().crop({4, 1, 17, 28}), 16, 16, Interpolation::bilinear),
                              golden("resized_crop_1_4_28_17"), "resized crop");
}

TEST(Resize, NearestSumsItsStepsUpAsPillow) {
  const Image image = testing::read_ppm(testing::data_folder() / "resize" / "bilinear_64x50.ppm");
  testing::expect_same_pixels(resize(image.view(), 96, 3, Interpolation::nearest),
                              testing::read_ppm(testing::data_folder() / "enlarge" / "nearest_96x3.ppm"), "96x3");
}

TEST(Resize, AWindowIsThatPartOfTheWhole) {
  const Image image = source();
  for (const auto interpolation :
       {Interpolation::nearest, Interpolation::box, Interpolation::bilinear, Interpolation::bicubic}) {
    for (const auto& [width, height] :
         {std::pair{20, 17}, {60, 41}, {37, 15}, {50, 29}, {37, 29}, {40, 14}, {37, 14}}) {
      const Image whole = resize(image.view(), width, height, interpolation);
      const Image part = resize(image.view(), {width, height, 3, 2, 11, 9}, interpolation);
      const Image expected = resize(whole.view().crop({3, 2, 11, 9}), 11, 9, Interpolation::nearest);
      testing::expect_same_pixels(part, expected, std::string(to_string(interpolation)));
    }
  }
}

TEST(Resize, AThinImageCostsNoMoreThanItsWindow) {
  const Image thin = resize(source().view(), 1, 4000, Interpolation::nearest);
  const Image part = resize(thin.view(), {224, 224 * 4000, 0, 336'000, 224, 224}, Interpolation::bilinear);
  EXPECT_EQ(part.height(), 224);
}

}  // namespace
}  // namespace convoy
