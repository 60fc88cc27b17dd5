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

// Throws Error when an image of this size must not be decoded.
void check_image_size(int64_t width, int64_t height, std::string_view name, const DecodeOptions& options);

// The orientation (1 to 8) that an EXIF block records; 1 when it records none. The block is the TIFF structure, with or
// without the "Exif\0\0" that JPEG puts before it.
int exif_orientation(std::span<const uint8_t> exif);

}  // namespace convoy
