// Reads the binary PPM files that hold expected pixels.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "data/image.h"
#include "tests/support/load_image.h"

namespace convoy::testing {

inline std::filesystem::path data_folder() { return std::filesystem::path(CONVOY_SOURCE_DIR) / "tests" / "data"; }

inline Image read_ppm(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  int width = 0, height = 0, maximum = 0;
  file >> magic >> width >> height >> maximum;
  EXPECT_TRUE(magic == "P6" && maximum == 255 && file.get() == '\n') << path;
  Image image(width, height);
  file.read(reinterpret_cast<char*>(image.row(0)), static_cast<std::streamsize>(image.bytes()));
  EXPECT_EQ(file.gcount(), static_cast<std::streamsize>(image.bytes())) << path;
  return image;
}

inline std::vector<uint8_t> pixels_of(const Image& image) { return {image.row(0), image.row(0) + image.bytes()}; }

inline void expect_same_pixels(const Image& image, const Image& expected, const std::string& what) {
  ASSERT_EQ(image.width(), expected.width()) << what;
  ASSERT_EQ(image.height(), expected.height()) << what;
  for (size_t i = 0; i < image.bytes(); ++i) {
    ASSERT_EQ(int{image.row(0)[i]}, int{expected.row(0)[i]})
        << what << ": pixel " << i / 3 % static_cast<size_t>(image.width()) << ","
        << i / 3 / static_cast<size_t>(image.width()) << " channel " << i % 3;
  }
}

}  // namespace convoy::testing
