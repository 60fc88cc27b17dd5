#include "data/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convoy/error.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::filesystem::path image_file(const std::string& name) { return testing::data_folder() / "images" / name; }

std::string refusal(const std::filesystem::path& file) {
  try {
    load_image(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Image, EveryKindDecodesToPillowsPixels) {
  int images = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::data_folder() / "images")) {
    if (entry.path().extension() != ".ppm") continue;
    std::filesystem::path file = entry.path();
    file.replace_extension();
    testing::expect_same_pixels(load_image(file), testing::read_ppm(entry.path()), file.filename().string());
    ++images;
  }
  EXPECT_GE(images, 30);
}

TEST(Image, RefusesDamagedFilesByName) {
  for (const char* name : {"truncated.jpg", "truncated_progressive.jpg", "truncated.png", "truncated.webp"}) {
    EXPECT_THAT(refusal(image_file(name)), AllOf(StartsWith(image_file(name).string()), HasSubstr("damaged"))) << name;
  }
}

TEST(Image, RefusesWhatIsNoImageAndSaysWhatItIs) {
  EXPECT_THAT(refusal(image_file("text.jpg")),
              HasSubstr("text.jpg: not a JPEG, PNG or WebP image; it begins with \"This"));
  EXPECT_THAT(refusal(image_file("gif.png")), HasSubstr("it looks like a GIF"));
  EXPECT_THAT(refusal(image_file("empty.jpg")), HasSubstr("empty.jpg: the file is empty"));
  EXPECT_THAT(refusal(image_file("absent.jpg")), HasSubstr("absent.jpg: cannot be read: No such file"));
  EXPECT_THAT(refusal(testing::data_folder()), HasSubstr("cannot be read"));
}

TEST(Image, RefusesMorePixelsThanTheLimitBeforeAllocating) {
  EXPECT_THAT(refusal(image_file("huge.png")), HasSubstr("60000x60000 pixels; at most 268 million"));
  const std::vector<uint8_t> bytes = read_file(image_file("rgb_420.jpg"));
  EXPECT_THROW(decode_image(bytes, "a", {.max_pixels = 37 * 29 - 1}), Error);
  EXPECT_EQ(decode_image(bytes, "a", {.max_pixels = 37 * 29}).width(), 37);
}

TEST(Image, EveryTruncationOfAJpegIsAnError) {
  for (const char* name : {"gray.jpg", "rgb_420.jpg", "rgb_progressive.jpg"}) {
    const std::vector<uint8_t> bytes = read_file(image_file(name));
    for (size_t size = 0; size + 2 < bytes.size(); size += 7) {
      EXPECT_THROW(decode_image(std::span(bytes).first(size), "part"), Error) << name << " cut at " << size;
    }
  }
}

TEST(Image, MinSizeDecodesAJpegReduced) {
  const std::vector<uint8_t> bytes = read_file(image_file("rgb_420.jpg"));
  for (const auto& [min_size, width] : {std::pair{30, 37}, {15, 37}, {14, 19}, {7, 10}, {3, 5}, {1, 5}}) {
    EXPECT_EQ(decode_image(bytes, "a", {.min_size = min_size}).width(), width) << min_size;
  }
}

}  // namespace
}  // namespace convoy
