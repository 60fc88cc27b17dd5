#include "kernels/amx/tile.h"

namespace convoy::kernels::CONVOY_ISA {

namespace {

// Four sums at a time, as in convolutions, of operands that stay in registers.
template <class Number>
int64_t run(int64_t rounds, float* sink) {
  alignas(64) Number operand[kElementsOf<Number>] = {};
  alignas(64) float sums[kTileSums];
  const TileScope scope;
  _tile_loadd(4, operand, 64);
  _tile_loadd(5, operand, 64);
  _tile_loadd(6, operand, 64);
  _tile_loadd(7, operand, 64);
  clear_sums();
  for (int64_t round = 0; round < rounds; ++round) {
    if constexpr (sizeof(Number) == 1) {
      _tile_dpbusd(0, 4, 6);
      _tile_dpbusd(1, 4, 7);
      _tile_dpbusd(2, 5, 6);
      _tile_dpbusd(3, 5, 7);
    } else {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, sums, 64);
  *sink = sums[0];
  return rounds * 4 * 2 * kTileSums * kDepthOf<Number>;
}

}  // namespace

int64_t run_tiles(int64_t rounds, float* sink) { return run<Bf16>(rounds, sink); }
int64_t run_byte_tiles(int64_t rounds, float* sink) { return run<uint8_t>(rounds, sink); }

}  // namespace convoy::kernels::CONVOY_ISA
