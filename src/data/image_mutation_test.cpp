#include <gtest/gtest.h>

#include <algorithm>

#include "convoy/error.h"
#include "core/random.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

// Damages bytes in the way that `random` says: cut off, bits flipped, a stretch overwritten or repeated.
std::vector<uint8_t> damage(std::vector<uint8_t> bytes, RandomStream& random) {
  const auto position = [&] { return random.below(static_cast<uint32_t>(bytes.size())); };
  switch (random.below(4)) {
    case 0: bytes.resize(position()); break;
    case 1:
      for (uint32_t flips = 1 + random.below(8); flips > 0; --flips) {
        bytes[position()] ^= static_cast<uint8_t>(1U << random.below(8));
      }
      break;
    case 2: {
      const size_t begin = position(), end = std::min(bytes.size(), begin + 1 + random.below(16));
      for (size_t i = begin; i < end; ++i) bytes[i] = static_cast<uint8_t>(random.next_u32());
      break;
    }
    default: {
      const std::vector<uint8_t> part(bytes.begin() + position() / 2, bytes.end());
      bytes.insert(bytes.begin() + position(), part.begin(), part.end());
    }
  }
  return bytes;
}

// Worth most under the address sanitizer.
TEST(ImageMutation, DamagedFilesAreAnErrorOrAnImageButNeverACrash) {
  const DecodeOptions options{.max_pixels = 1 << 16};
  int images = 0, errors = 0;
  uint64_t number = 0;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(testing::data_folder() / "images")) {
    if (entry.path().extension() != ".ppm" && entry.file_size() > 0) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    const std::vector<uint8_t> bytes = read_file(file);
    for (uint64_t variant = 0; variant < 300; ++variant) {
      RandomStream random(11, "damage", number, variant);
      try {
        const Image image = decode_image(damage(bytes, random), "damaged", options);
        ASSERT_GE(image.width(), 1);
        ASSERT_LE(int64_t{image.width()} * image.height(), options.max_pixels);
        ++images;
      } catch (const Error& error) {
        ASSERT_TRUE(std::string_view(error.what()).starts_with("damaged: ")) << error.what();
        ++errors;
      }
    }
    ++number;
  }
  EXPECT_GT(images, 1000);
  EXPECT_GT(errors, 1000);
}

}  // namespace
}  // namespace convoy
