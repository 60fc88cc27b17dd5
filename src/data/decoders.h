// One decoder a file format; decode_image chooses among them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "data/image.h"

namespace convoy {

DecodedImage decode_jpeg(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options);
DecodedImage decode_png(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options);
DecodedImage decode_webp(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options);
DecodedImage decode_bmp(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options);
DecodedImage decode_gif(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options);
DecodedImage decode_tiff(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options);
DecodedImage decode_avif(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options);
DecodedImage decode_heif(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options);
DecodedImage decode_pnm(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options);

// Throws Error when an image of this size must not be decoded.
void check_image_size(int64_t width, int64_t height, std::string_view name, const DecodeOptions& options);

// What to throw for an image whose optional library was not there when this was built. `what_needs` as in "GIF images
// need"; `package` is what installs the library.
UnsupportedImage lacks_library(std::string_view name, std::string_view what_needs, std::string_view library,
                               std::string_view package);

// What is left of the light of one colour below `ink` and `black` (255: all of it), rounded as Pillow rounds it.
constexpr uint8_t light_of(uint8_t ink, uint8_t black) {
  const int light = 255 - black;
  const int product = ink * light + 128;
  const int absorbed = ((product >> 8) + product) >> 8;
  return static_cast<uint8_t>(light > absorbed ? light - absorbed : 0);
}

}  // namespace convoy
