// Every image op against the pixels that torchvision, timm and Pillow make; tools/make_image_goldens.py recorded them.
#include "data/image_op.h"

#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "data/color.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

Image source() { return load_image(testing::data_folder() / "images" / "source.png"); }

const std::map<std::string, ImageOp> kOps{
    {"shear_x", ImageOp::shear_x},
    {"shear_y", ImageOp::shear_y},
    {"translate_x", ImageOp::translate_x},
    {"translate_y", ImageOp::translate_y},
    {"rotate", ImageOp::rotate},
    {"sharpness", ImageOp::sharpness},
    {"posterize", ImageOp::posterize},
    {"solarize", ImageOp::solarize},
    {"solarize_add", ImageOp::solarize_add},
    {"auto_contrast", ImageOp::auto_contrast},
    {"equalize", ImageOp::equalize},
    {"invert", ImageOp::invert},
};

TEST(ImageOp, EqualsTorchvisionAndTimm) {
  std::map<std::string, int> cases;
  for (const auto& entry : std::filesystem::directory_iterator(testing::data_folder() / "ops")) {
    const std::string file = entry.path().stem().string();
    if (file.starts_with("faded")) continue;
    std::istringstream words(file);
    std::string name, argument, interpolation;
    std::getline(words, name, ',');
    std::getline(words, argument, ',');
    std::getline(words, interpolation, ',');
    Image image = source();
    if (name == "hue") {
      shift_hue(image, std::stod(argument));
    } else {
      Warp warp;
      if (!interpolation.empty()) warp = {*interpolation_from_string(interpolation), {124, 116, 104}};
      apply({kOps.at(name), std::stod(argument)}, warp, image);
    }
    testing::expect_same_pixels(image, testing::read_ppm(entry.path()), file);
    ++cases[name];
  }
  EXPECT_EQ(cases.size(), kOps.size() + 1);
}

TEST(ImageOp, ChannelsOfFewValues) {
  const auto golden = [](const std::string& name) { return testing::read_ppm(testing::data_folder() / "ops" / name); };
  Image stretched = golden("faded.ppm"), equalized = golden("faded.ppm");
  auto_contrast(stretched);
  equalize(equalized);
  testing::expect_same_pixels(stretched, golden("faded_auto_contrast.ppm"), "auto contrast");
  testing::expect_same_pixels(equalized, golden("faded_equalize.ppm"), "equalize");
}

TEST(ImageOp, EnhancementEqualsPillow) {
  const std::map<std::string, ImageOp> enhancers{
      {"brightness", ImageOp::brightness}, {"contrast", ImageOp::contrast}, {"saturation", ImageOp::color}};
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::data_folder() / "color")) {
    const std::string name = entry.path().stem().string();
    const size_t underscore = name.find('_');
    Image image = source();
    apply({enhancers.at(name.substr(0, underscore)), std::stod(name.substr(underscore + 1))}, {}, image);
    testing::expect_same_pixels(image, testing::read_ppm(entry.path()), name);
    ++cases;
  }
  EXPECT_EQ(cases, 9);
}

TEST(ImageOp, RotationEqualsPillow) {
  const Image image = source();
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::data_folder() / "rotate")) {
    const std::string degrees = entry.path().stem().string();
    testing::expect_same_pixels(rotate(image.view(), std::stod(degrees)), testing::read_ppm(entry.path()), degrees);
    ++cases;
  }
  EXPECT_EQ(cases, 7);
}

TEST(ImageOp, TinyImagesAreNoTrouble) {
  for (const auto& [name, op] : kOps) {
    for (const Interpolation interpolation :
         {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic}) {
      for (const auto& [width, height] : {std::pair(1, 1), std::pair(2, 1), std::pair(1, 3)}) {
        Image image(width, height);
        std::fill_n(image.row(0), image.bytes(), uint8_t{9});
        apply({op, 0.7}, {interpolation, {}}, image);
        EXPECT_EQ(image.width(), width) << name;
        EXPECT_EQ(image.height(), height) << name;
      }
    }
  }
}

}  // namespace
}  // namespace convoy
