#include <fmt/format.h>
#include <webp/decode.h>

#include "convoy/error.h"
#include "data/decoders.h"

namespace convoy {
namespace {

uint32_t little_endian(std::span<const uint8_t> four) {
  return four[0] | uint32_t{four[1]} << 8 | uint32_t{four[2]} << 16 | uint32_t{four[3]} << 24;
}

// Walks the RIFF chunks: four letters, size, content padded to an even size.
int stored_orientation(std::span<const uint8_t> bytes) {
  constexpr size_t kFileHeader = 12, kChunkHeader = 8;
  std::span<const uint8_t> left = bytes.subspan(kFileHeader);
  while (left.size() > kChunkHeader) {
    const size_t size = little_endian(left.subspan(4, 4));
    const std::string_view letters(reinterpret_cast<const char*>(left.data()), 4);
    left = left.subspan(kChunkHeader);
    if (size > left.size()) break;
    if (letters == "EXIF") return exif_orientation(left.first(size));
    left = left.subspan(std::min(left.size(), size + size % 2));
  }
  return 1;
}

}  // namespace

DecodedImage decode_webp(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes.data(), bytes.size(), &features) != VP8_STATUS_OK) {
    throw Error(fmt::format("{}: damaged WebP: its header cannot be read", name));
  }
  if (features.has_animation != 0) {
    throw Error(fmt::format("{}: animated WebP is not read; save one frame as an image", name));
  }
  check_image_size(features.width, features.height, name, options);
  DecodedImage decoded{Image(features.width, features.height), stored_orientation(bytes), FileFormat::webp};
  Image& image = decoded.image;
  if (WebPDecodeRGBInto(bytes.data(), bytes.size(), image.row(0), image.bytes(), static_cast<int>(image.stride())) ==
      nullptr) {
    throw Error(fmt::format("{}: damaged WebP: the file is truncated or corrupt", name));
  }
  return decoded;
}

}  // namespace convoy
