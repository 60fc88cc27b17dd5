#include "data/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <thread>

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
    const std::string name = file.filename().string();
    if (!std::filesystem::exists(file)) continue;
    std::string damage;
    try {
      const Image image = decode_image(read_file(file), name, {}, &damage);
      testing::expect_same_pixels(image, testing::read_ppm(entry.path()), name);
    } catch (const UnsupportedImage& error) {
      EXPECT_THAT(error.what(), HasSubstr("which this build lacks"));
      continue;
    }
    if (name.starts_with("damaged_")) {
      EXPECT_THAT(damage, StartsWith(name + ": damaged "));
    } else {
      EXPECT_EQ(damage, "") << name;
    }
    ++images;
  }
  EXPECT_GE(images, 60);
}

TEST(Image, HeicIsNearlyThePictureThatWasStored) {
  Image image;
  try {
    image = load_image(image_file("heif_picture.heic"));
  } catch (const UnsupportedImage& error) {
    GTEST_SKIP() << error.what();
  }
  const Image stored = testing::read_ppm(image_file("heif_picture.heic.source.ppm"));
  ASSERT_EQ(image.width(), stored.width());
  ASSERT_EQ(image.height(), stored.height());
  double difference = 0;
  for (size_t i = 0; i < image.bytes(); ++i) difference += std::abs(image.row(0)[i] - stored.row(0)[i]);
  EXPECT_LT(difference / static_cast<double>(image.bytes()), 2);
}

TEST(Image, RefusesDamagedFilesByName) {
  for (const char* name : {"truncated.jpg", "truncated_progressive.jpg", "truncated.png", "truncated.webp"}) {
    EXPECT_THAT(refusal(image_file(name)), AllOf(StartsWith(image_file(name).string()), HasSubstr("damaged"))) << name;
  }
}

TEST(Image, RefusesOddFilesForTheRightReason) {
  int damaged = 0, unsupported = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::data_folder() / "images")) {
    const std::string name = entry.path().filename().string();
    const bool sound = name.starts_with("unsupported_");
    if (!sound && !name.starts_with("refused_")) continue;
    const std::string reason = refusal(entry.path());
    if (reason.find("which this build lacks") != std::string::npos) continue;
    EXPECT_THAT(reason, HasSubstr(sound ? "not supported" : "damaged")) << name;
    ++(sound ? unsupported : damaged);
  }
  EXPECT_GE(damaged, 12);
  EXPECT_GE(unsupported, 5);
}

TEST(Image, RefusesWhatIsNoImageAndSaysWhatItIs) {
  EXPECT_THAT(refusal(image_file("text.jpg")),
              HasSubstr("text.jpg: not a JPEG, PNG or other image that is read; it begins with \"This"));
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

std::string refusal_of(const std::vector<uint8_t>& bytes) {
  try {
    decode_image(bytes, "a");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

// The last place of a marker, FF and this byte.
auto find_marker(std::vector<uint8_t>& bytes, uint8_t marker) {
  const std::array<uint8_t, 2> wanted{0xFF, marker};
  return std::find_end(bytes.begin(), bytes.end(), wanted.begin(), wanted.end());
}

TEST(Image, DamagedArithmeticCodeIsReadAndNoted) {
  std::vector<uint8_t> bytes = read_file(image_file("rgb_444.jpg"));
  constexpr ptrdiff_t kScanHeader = 14;
  find_marker(bytes, 0xC0)[1] = 0xC9;  // coded arithmetically
  bytes.erase(find_marker(bytes, 0xDA) + kScanHeader, bytes.end());
  // A first coefficient whose magnitude never ends.
  for (int i = 0; i < 20; ++i) bytes.insert(bytes.end(), {0xFF, 0x00});
  bytes.insert(bytes.end(), {0xFF, 0xD9});
  std::string damage;
  decode_image(bytes, "a", {}, &damage);
  EXPECT_THAT(damage, HasSubstr("a: damaged JPEG: Corrupt JPEG data: bad arithmetic code"));
}

TEST(Image, TooManyScansAreCounted) {
  std::vector<uint8_t> bytes = read_file(image_file("rgb_progressive.jpg"));
  const auto scan = find_marker(bytes, 0xDA), end = find_marker(bytes, 0xD9);
  std::vector<uint8_t> many(bytes.begin(), end);
  for (int i = 0; i < 600; ++i) many.insert(many.end(), scan, end);
  many.insert(many.end(), end, bytes.end());
  EXPECT_EQ(refusal_of(many), "a: damaged JPEG: more than 500 scans");
}

TEST(ReadFile, RefusesMoreThanItsLimit) {
  const std::filesystem::path file = ::testing::TempDir() + "sparse.jpg";
  std::ofstream(file).flush();
  std::filesystem::resize_file(file, (uint64_t{1} << 30) + 1);
  EXPECT_THAT(refusal(file), HasSubstr("sparse.jpg: is larger than 1024 MiB"));
  std::filesystem::remove(file);
}

TEST(ReadFile, ReadsAPipeToItsEnd) {
  const std::filesystem::path pipe = ::testing::TempDir() + "pipe.jpg";
  std::filesystem::remove(pipe);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const std::vector<uint8_t> bytes(200'000, 7);
  std::jthread writer([&] {
    std::ofstream(pipe).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  });
  EXPECT_EQ(read_file(pipe), bytes);
  writer.join();
  std::filesystem::remove(pipe);
}

}  // namespace
}  // namespace convoy
