// How a stored picture has to be turned, as its metadata say.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace convoy {

// The orientation (1 to 8) that EXIF's first directory records or, where that has none, XMP's tiff:Orientation; 1 where
// neither does or they are damaged. `exif` is a TIFF structure behind any number of "Exif\0\0"; either may be empty.
int orientation_of(std::span<const uint8_t> exif, std::string_view xmp);

}  // namespace convoy
