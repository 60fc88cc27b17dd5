// The register-blocked product of weight gradients: input channels by vectors of output channels, reduced over pixels.
#pragma once

#include <cstdint>

#include "kernels/isa/conv_microkernel.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {

// Pixels reduced at a time: their panel of grad_output stays in the L1 cache.
inline constexpr int64_t kOuterPixels = 96;

// One block of pixels for one tap: gradients[c][...] += sum over pixels of sources[pixel][c] * packed[pixel].
struct PixelBlock {
  const float* const* sources;
  const float* const* next_sources;  // of the next block, prefetched
  const float* packed;               // [pixel][kVectors * kLanes]
  int64_t pixels;
  float* gradients;  // [channel][kVectors * kLanes]
  bool first;        // gradients are overwritten
};

// A pointer whose making the compiler cannot see through: what is a constant distance from it is addressed so. Without
// it GCC keeps a register for every such distance, and moves those it has not through the vector unit.
inline const float* one_register(const float* p) {
  asm("" : "+r"(p));
  return p;
}

template <int kRows, int kVectors>
void multiply_channels(const PixelBlock& block, int64_t channel) {
  Vec sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = zero();
  }
  const bool first = block.first;
  float* gradients = block.gradients + channel * kVectors * kLanes;
#pragma GCC unroll 48
  for (int i = 0; i < kRows * kVectors; ++i) __builtin_prefetch(gradients + i * kLanes, 1);
  const float* const* const sources = block.sources;
  const float* const* const next_sources = block.next_sources;
  const float* packed = block.packed;
  const int64_t pixels = block.pixels;
  for (int64_t pixel = 0; pixel < pixels; ++pixel, packed += kVectors * kLanes) {
    const float* source = one_register(sources[pixel] + channel);
    __builtin_prefetch(next_sources[pixel] + channel, 0, 2);
    Vec g[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) g[v] = load(packed + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec x = broadcast(source[r]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = fma(x, g[v], sum[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* at = gradients + (r * kVectors + v) * kLanes;
      store(at, first ? sum[r][v] : sum[r][v] + load(at));
    }
  }
}

// kRows or fewer rows.
template <int kRows, int kVectors>
void multiply_some_channels(const PixelBlock& block, int64_t channel, int64_t rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return multiply_some_channels<kRows - 1, kVectors>(block, channel, rows);
  }
  multiply_channels<kRows, kVectors>(block, channel);
}

template <int kVectors>
void multiply_block(const PixelBlock& block, int64_t channels) {
  constexpr int kRows = kPixelRows<kVectors>;
  const int64_t pieces = ceil_div(channels, kRows);
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const int64_t begin = channels * piece / pieces;
    const int64_t end = channels * (piece + 1) / pieces;
    multiply_some_channels<kRows, kVectors>(block, begin, end - begin);
  }
}

inline void multiply_block(const PixelBlock& block, int vectors, int64_t channels) {
  if constexpr (kPanelVectors == 4) {
    if (vectors == 4) return multiply_block<4>(block, channels);
    if (vectors == 3) return multiply_block<3>(block, channels);
  }
  if (vectors == 2) return multiply_block<2>(block, channels);
  return multiply_block<1>(block, channels);
}

}  // namespace convoy::kernels::CONVOY_ISA
