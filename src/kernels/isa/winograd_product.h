// The product of Winograd convolutions in one position: tiles by vectors of result channels, reduced over channels.
#pragma once

#include <cstdint>

#include "kernels/isa/conv_microkernel.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {

// Channels that are summed by themselves before their sums are: short sums round less, and the transform behind them
// makes their rounding larger.
inline constexpr int64_t kSummands = 64;

// products[tile] = inputs[tile] * weights for one panel.
struct PositionBlock {
  const float* inputs;  // [tile][pitch]
  int64_t pitch, tiles, channels;
  const float* weights;  // [channels][kVectors * kLanes], those of the next position behind them
  float* products;       // [tile][kVectors * kLanes]
};

// Adds channels [first, last) to the sums. Meanwhile the next position's weights come into the L2 cache: with every
// four channels four times `share` floats from `next` on.
template <int kRows, int kVectors>
inline void reduce_channels(const float* const (&rows)[kRows], int64_t first, int64_t last, const float* weights,
                            const float* next, int64_t share, Vec (&sum)[kRows][kVectors]) {
  const float* weight = weights + first * kVectors * kLanes;
  int64_t c = first;
  for (; c + 4 <= last; c += 4) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i, weight += kVectors * kLanes) {
      if (i % 2 == 0) __builtin_prefetch(next + (c + i) * share, 0, 2);
      multiply_step(rows, c + i, weight, sum);
    }
  }
  for (; c < last; ++c, weight += kVectors * kLanes) multiply_step(rows, c, weight, sum);
}

template <int kRows, int kVectors, class Body>
inline void for_every_sum(const Body& body) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) body(r, v);
  }
}

// kRows tiles from `tile` on, of which those beyond the last are not stored.
template <int kRows, int kVectors>
void multiply_position_rows(const PositionBlock& block, int64_t tile) {
  const float* rows[kRows];
  for (int r = 0; r < kRows; ++r) rows[r] = block.inputs + smaller(tile + r, block.tiles - 1) * block.pitch;
  const int64_t share = kVectors * kLanes * kRows / block.tiles;
  const float* next = block.weights + block.channels * (kVectors * kLanes + tile / kRows * share);
  Vec sum[kRows][kVectors];
  for_every_sum<kRows, kVectors>([&](int r, int v) { sum[r][v] = zero(); });
  int64_t done = block.channels < 2 * kSummands ? block.channels : kSummands;
  reduce_channels(rows, 0, done, block.weights, next, share, sum);
  if (done < block.channels) {
    Vec total[kRows][kVectors];
    for_every_sum<kRows, kVectors>([&](int r, int v) { total[r][v] = sum[r][v]; });
    while (done < block.channels) {
      const int64_t first = done;
      done = block.channels - first < 2 * kSummands ? block.channels : first + kSummands;
      for_every_sum<kRows, kVectors>([&](int r, int v) { sum[r][v] = zero(); });
      reduce_channels(rows, first, done, block.weights, next, share, sum);
      for_every_sum<kRows, kVectors>([&](int r, int v) { total[r][v] = total[r][v] + sum[r][v]; });
    }
    for_every_sum<kRows, kVectors>([&](int r, int v) { sum[r][v] = total[r][v]; });
  }
  float* products = block.products + tile * kVectors * kLanes;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    if (tile + r >= block.tiles) break;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(products + (r * kVectors + v) * kLanes, sum[r][v]);
  }
}

template <int kVectors>
void multiply_position(const PositionBlock& block) {
  constexpr int kRows = kPixelRows<kVectors>;
  for (int64_t tile = 0; tile < block.tiles; tile += kRows) multiply_position_rows<kRows, kVectors>(block, tile);
}

inline void multiply_position(const PositionBlock& block, int vectors) {
  if constexpr (kPanelVectors == 4) {
    if (vectors == 4) return multiply_position<4>(block);
    if (vectors == 3) return multiply_position<3>(block);
  }
  if (vectors == 2) return multiply_position<2>(block);
  return multiply_position<1>(block);
}

}  // namespace convoy::kernels::CONVOY_ISA
