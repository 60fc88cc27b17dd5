// A part of a JPEG has the pixels, the damage and the errors of the whole.
#include <cstddef>
#include <cstdio>
// jpeglib.h relies on the two above.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <jpeglib.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <tuple>

#include "core/random.h"
#include "data/image.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

struct Kind {
  int components = 3;
  int across = 2, down = 2;  // pixels that share a colour
  bool progressive = false;
  bool arithmetic = false;
  int restart = 0;  // blocks
  int orientation = 1;
};

std::string describe(const Kind& kind, int width, int height) {
  return fmt::format("{}x{}, {} components, {}x{}, {}{}restart {}, orientation {}", width, height, kind.components,
                     kind.across, kind.down, kind.progressive ? "progressive, " : "",
                     kind.arithmetic ? "arithmetic, " : "", kind.restart, kind.orientation);
}

// A JPEG of waves and noise.
std::vector<uint8_t> encode(const Kind& kind, int width, int height, RandomStream& random) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = kind.components;
  info.in_color_space = kind.components == 1 ? JCS_GRAYSCALE : kind.components == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 80, TRUE);
  if (kind.components == 3) {
    info.comp_info[0].h_samp_factor = kind.across;
    info.comp_info[0].v_samp_factor = kind.down;
  }
  if (kind.progressive) jpeg_simple_progression(&info);
  info.arith_code = kind.arithmetic ? TRUE : FALSE;
  info.restart_interval = static_cast<unsigned>(kind.restart);
  jpeg_start_compress(&info, TRUE);
  const std::array<uint8_t, 32> exif{'E', 'x',  'i', 'f', 0,
                                     0,   'I',  'I', 42,  0,
                                     8,   0,    0,   0,   1,
                                     0,   0x12, 1,   3,   0,
                                     1,   0,    0,   0,   static_cast<uint8_t>(kind.orientation)};
  jpeg_write_marker(&info, JPEG_APP0 + 1, exif.data(), static_cast<unsigned>(exif.size()));
  std::vector<uint8_t> row(static_cast<size_t>(width * kind.components));
  for (int y = 0; y < height; ++y) {
    for (size_t i = 0; i < row.size(); ++i) {
      const double wave = 100 * std::sin(0.013 * static_cast<double>(i) * (1 + y % 7)) + 0.3 * y;
      row[i] = static_cast<uint8_t>(128 + std::lround(wave) / 2 + random.below(40));
    }
    uint8_t* pixels = row.data();
    jpeg_write_scanlines(&info, &pixels, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::vector<uint8_t> bytes(memory, memory + size);
  std::free(memory);
  return bytes;
}

struct Outcome {
  std::optional<Image> image;
  std::string said;  // of damage, or the error
};

Outcome decode(const std::vector<uint8_t>& bytes, const PartChooser& part) {
  Outcome outcome;
  try {
    outcome.image = decode_image(bytes, "photo", {.part = part}, &outcome.said);
  } catch (const Error& error) {
    outcome.said = error.what();
  }
  return outcome;
}

// Of `length` pixels: a few, many or all, anywhere.
std::pair<int, int> random_range(int length, RandomStream& random) {
  const uint32_t most = random.below(3) == 0 ? 4 : static_cast<uint32_t>(length);
  const int size = 1 + static_cast<int>(random.below(std::min(most, static_cast<uint32_t>(length))));
  return {static_cast<int>(random.below(static_cast<uint32_t>(length - size + 1))), size};
}

// How many parts were decoded.
int compare_parts(const std::vector<uint8_t>& bytes, int parts, RandomStream& random, const std::string& what) {
  const Outcome whole = decode(bytes, {});
  int decoded = 0;
  for (int i = 0; i < parts; ++i) {
    Rectangle part;
    const Outcome outcome = decode(bytes, [&](int width, int height) {
      if (whole.image) {
        EXPECT_EQ(width, whole.image->width()) << what;
        EXPECT_EQ(height, whole.image->height()) << what;
      }
      const auto [left, part_width] = random_range(width, random);
      const auto [top, part_height] = random_range(height, random);
      return part = {left, top, part_width, part_height};
    });
    const std::string where = fmt::format("{}: {}x{} at {},{}", what, part.width, part.height, part.left, part.top);
    EXPECT_EQ(outcome.said, whole.said) << where;
    EXPECT_EQ(outcome.image.has_value(), whole.image.has_value()) << where;
    if (!outcome.image || !whole.image) continue;
    testing::expect_same_pixels(*outcome.image, copy_of(whole.image->view().crop(part)), where);
    ++decoded;
  }
  return decoded;
}

Kind random_kind(RandomStream& random) {
  constexpr std::array<std::pair<int, int>, 7> kSampling{{{1, 1}, {2, 1}, {2, 2}, {1, 2}, {4, 1}, {4, 2}, {1, 4}}};
  Kind kind;
  constexpr std::array kComponents{3, 3, 3, 1, 4};
  kind.components = kComponents[random.below(kComponents.size())];
  std::tie(kind.across, kind.down) = kSampling[random.below(kSampling.size())];
  kind.progressive = random.below(3) == 0;
  kind.arithmetic = random.below(8) == 0;
  constexpr std::array kRestart{0, 0, 1, 5, 100};
  kind.restart = kRestart[random.below(kRestart.size())];
  kind.orientation = 1 + static_cast<int>(random.below(8));
  return kind;
}

int random_side(RandomStream& random) { return 1 + static_cast<int>(random.below(random.below(4) == 0 ? 20 : 180)); }

TEST(JpegPart, HasThePixelsOfTheWhole) {
  int decoded = 0;
  for (uint64_t file = 0; file < 600; ++file) {
    RandomStream random(21, "jpeg part", 0, file);
    const Kind kind = random_kind(random);
    const int width = random_side(random), height = random_side(random);
    decoded += compare_parts(encode(kind, width, height, random), 6, random, describe(kind, width, height));
    if (HasFailure()) return;
  }
  EXPECT_EQ(decoded, 3600);
}

TEST(JpegPart, OfADamagedFileHasThePixelsAndTheDamageOfTheWhole) {
  int decoded = 0;
  for (uint64_t file = 0; file < 1500; ++file) {
    RandomStream random(21, "jpeg part", 1, file);
    const Kind kind = random_kind(random);
    const int width = random_side(random), height = random_side(random);
    std::vector<uint8_t> bytes = encode(kind, width, height, random);
    const auto position = [&] { return random.below(static_cast<uint32_t>(bytes.size())); };
    const uint32_t harm = random.below(4);
    if (harm == 0) bytes.resize(position());
    if (harm == 1) bytes[position()] ^= static_cast<uint8_t>(1U << random.below(8));
    if (harm == 2) bytes[position()] = 0xFF;
    if (harm == 3) bytes.insert(bytes.begin() + position(), {0xFF, static_cast<uint8_t>(0xD0 + random.below(10))});
    decoded +=
        compare_parts(bytes, 3, random, fmt::format("file {}, harm {}, {}", file, harm, describe(kind, width, height)));
    if (HasFailure()) return;
  }
  EXPECT_GT(decoded, 1000);
}

}  // namespace
}  // namespace convoy
