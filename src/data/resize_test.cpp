#include "data/resize.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

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

TEST(Resize, NearestSumsItsStepsUpAsPillow) {
  const Image image = testing::read_ppm(testing::data_folder() / "resize" / "bilinear_64x50.ppm");
  testing::expect_same_pixels(resize(image.view(), 96, 3, Interpolation::nearest),
                              testing::read_ppm(testing::data_folder() / "enlarge" / "nearest_96x3.ppm"), "96x3");
}

TEST(Resize, AWindowIsThatPartOfTheWhole) {
  const Image image = source();
  for (const auto interpolation :
       {Interpolation::nearest, Interpolation::box, Interpolation::bilinear, Interpolation::bicubic}) {
    for (const auto& [width, height] : {std::pair{20, 17}, {60, 41}, {37, 15}, {50, 29}, {37, 29}}) {
      const Image whole = resize(image.view(), width, height, interpolation);
      const Image part = resize(image.view(), {width, height, 3, 2, 11, 9}, interpolation);
      const Image expected = resize(whole.view().crop(3, 2, 11, 9), 11, 9, Interpolation::nearest);
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
