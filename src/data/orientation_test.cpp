#include "data/orientation.h"

#include <gtest/gtest.h>

#include <vector>

namespace convoy {
namespace {

// "II*\0", the directory at 8, one entry: orientation, a short, once.
std::vector<uint8_t> exif(uint8_t orientation) {
  return {'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0};
}

TEST(Orientation, ExifGoesBeforeXmp) {
  EXPECT_EQ(orientation_of(exif(6), ""), 6);
  EXPECT_EQ(orientation_of(exif(6), "tiff:Orientation=\"3\""), 6);
  EXPECT_EQ(orientation_of({}, "tiff:Orientation=\"3\""), 3);
  EXPECT_EQ(orientation_of({}, "tiff:Orientation <tiff:Orientation>8</tiff:Orientation>"), 8);
  EXPECT_EQ(orientation_of(exif(0), "tiff:Orientation=\"3\""), 1) << "EXIF has one, though it is none";
}

TEST(Orientation, EveryTruncationIsReadWithinItsBounds) {
  const std::vector<uint8_t> whole = exif(6);
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::vector<uint8_t> part(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(orientation_of(part, ""), size >= 20 ? 6 : 1) << size;
  }
  std::vector<uint8_t> far = whole;
  far[4] = far[5] = far[6] = far[7] = 0xFF;
  EXPECT_EQ(orientation_of(far, ""), 1);
}

}  // namespace
}  // namespace convoy
