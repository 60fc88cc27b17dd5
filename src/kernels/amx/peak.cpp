#include "kernels/amx/tile.h"

namespace convoy::kernels::CONVOY_ISA {

// Four sums at a time, as in convolutions, of operands that stay in registers.
int64_t run_tiles(int64_t rounds, float* sink) {
  alignas(64) Bf16 operand[kTileElements];
  alignas(64) float sums[kTileSums];
  const TileScope scope;
  _tile_loadd(4, operand, 64);
  _tile_loadd(5, operand, 64);
  _tile_loadd(6, operand, 64);
  _tile_loadd(7, operand, 64);
  clear_sums();
  for (int64_t round = 0; round < rounds; ++round) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sums, 64);
  *sink = sums[0];
  return rounds * 4 * 2 * kTileSums * kTileDepth;
}

}  // namespace convoy::kernels::CONVOY_ISA
