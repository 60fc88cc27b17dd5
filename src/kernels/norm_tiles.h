// How the normalisation kernels cut a feature map.
#pragma once

#include <cstdint>

namespace convoy::kernels {

// Consecutive pixels (rows, for layer norm) in a tile: about 256 KB, so that a tile stays in L2 while it is used; few
// enough pixels for sums in single precision, enough of them that the sums of a tile are little beside the tile; a
// multiple of 16, so that tiles of an aligned map are aligned. Leaves no symbol that was compiled for a wider
// instruction set.
[[gnu::always_inline]] constexpr int64_t norm_tile_pixels(int64_t channels) {
  const int64_t pixels = 65536 / channels / 16 * 16;
  return pixels < 64 ? 64 : pixels > 4096 ? 4096 : pixels;
}

}  // namespace convoy::kernels
