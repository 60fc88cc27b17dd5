// How a stored picture has to be turned, as its metadata say.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace convoy {

// The orientation (1 to 8) that EXIF's first directory records or, where that has none, XMP's tiff:Orientation; 1 where
// neither does or they are damaged. `exif` is a TIFF structure behind any number of "Exif\0\0"; either may be empty.
int orientation_of(std::span<const uint8_t> exif, std::string_view xmp);

// How an image of orientation 1 to 8 becomes upright: its first row is at the bottom, its first column on the right,
// and then rows become columns.
struct Turn {
  explicit Turn(int orientation)
      : from_right(orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8),
        from_bottom(orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7),
        transposed(orientation >= 5) {}

  bool from_right, from_bottom, transposed;
};

}  // namespace convoy
