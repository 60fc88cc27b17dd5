// The register-blocked product at the heart of the convolutions: kRows pixels by kVectors vectors of result channels,
// reduced over taps and channels.
#pragma once

#include <cstdint>

#include "kernels/conv_args.h"
#include "kernels/isa/activation.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {

static_assert(kTilePixels == 96, "a multiple of the rows of every microkernel");

// Result channels are worked on in panels of at most this many vectors, with as many pixels as fill the registers;
// each number of pixels divides kTilePixels.
inline constexpr int kPanelVectors = kRegisters == 32 ? 4 : 2;

template <int kVectors>
inline constexpr int kPixelRows = kRegisters == 32 ? (kVectors == 4   ? 6
                                                      : kVectors == 3 ? 8
                                                                      : 12)
                                                   : (kVectors == 2 ? 6 : 12);

// A panel's share of one block of the reduction, for a tile of pixels.
struct PanelBlock {
  const float* const* sources;  // [tap][table_stride]: row of channels of every pixel
  int64_t table_stride;
  const int64_t* destinations;  // [pixel]: offset of the result in output and initial
  int64_t source_offset;        // first channel of the block
  int64_t channels, taps;
  const float* weight;   // [tap][channels][kVectors * kLanes]
  const float* bias;     // what sums begin with: kVectors * kLanes floats, or null
  const float* initial;  // is added where not null; may be output
  float* output;
  Activation activation;  // of the output, a cheap one
  int last_lanes;         // lanes in use of the panel's last vector
  int64_t tile_pixels;    // results of a tile: the calls that together prefetch the next block's weights
  int64_t ahead;          // floats from the sources to those of the next tile, where they are to be prefetched, or 0
};

template <int kRows, int kVectors>
inline void multiply_step(const float* const (&rows)[kRows], int64_t channel, const float* weight,
                          Vec (&sum)[kRows][kVectors]) {
  Vec w[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) w[v] = load(weight + v * kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const Vec x = broadcast(rows[r][channel]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = add_product(sum[r][v], x, w[v]);
  }
}

// Meanwhile the weights of the next block, which follow in memory, come into the L2 cache: every call fetches its
// share.
template <int kRows, int kVectors>
inline void reduce_taps(const PanelBlock& block, int64_t first_pixel, Vec (&sum)[kRows][kVectors]) {
  // Floats that a step fetches; every second step fetches one line.
  constexpr int64_t kMost = 64 / sizeof(float) / 2;
  const int64_t share = smaller(kMost, ceil_div(kVectors * kLanes, ceil_div(block.tile_pixels, kRows)));
  const int64_t tap_floats = block.channels * kVectors * kLanes, begin = first_pixel / kRows * share;
  const bool fetches = begin < kVectors * kLanes;
  const float* next = block.weight + (fetches ? block.taps * (tap_floats + begin * block.channels) : 0);
  for (int64_t tap = 0; tap < block.taps; ++tap) {
    const float* weight = block.weight + tap * tap_floats;
    const float* rows[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      rows[r] = block.sources[tap * block.table_stride + first_pixel + r] + block.source_offset;
    }
    int64_t c = 0;
    for (; c + 4 <= block.channels; c += 4) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i, weight += kVectors * kLanes) {
        if (i % 2 == 0) __builtin_prefetch(next + i * share, 0, 2);
        multiply_step(rows, c + i, weight, sum);
      }
      next += 4 * share;
    }
    for (; c < block.channels; ++c, weight += kVectors * kLanes) multiply_step(rows, c, weight, sum);
  }
}

// The lines that the product will be written to, and with `ahead` the sources of the tile that follows: the product
// takes longer than they take to come.
template <int kRows, int kVectors>
inline void prefetch_rows(const PanelBlock& block, int64_t first_pixel, int64_t count) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    if (r < count) {
      const float* output = block.output + block.destinations[first_pixel + r];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) __builtin_prefetch(output + v * kLanes, 1);
    }
  }
  if (block.ahead == 0) return;
  for (int r = 0; r < kRows; ++r) {
    const float* source = block.sources[first_pixel + r] + block.source_offset + block.ahead;
    for (int64_t c = 0; c < block.channels; c += 64 / sizeof(float)) __builtin_prefetch(source + c, 0, 2);
  }
}

template <Activation kActivation, int kRows, int kVectors>
inline void store_rows(const PanelBlock& block, int64_t first_pixel, int64_t count, const Vec (&sum)[kRows][kVectors]) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    if (r < count) {
      const int64_t destination = block.destinations[first_pixel + r];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const int lanes = v + 1 == kVectors ? block.last_lanes : kLanes;
        const int64_t at = destination + v * kLanes;
        Vec result = sum[r][v];
        if (lanes == kLanes) {
          if (block.initial != nullptr) result = result + load(block.initial + at);
          store(block.output + at, activate<kActivation>(result));
        } else {
          if (block.initial != nullptr) result = result + load_n(block.initial + at, lanes);
          store_n(block.output + at, activate<kActivation>(result), lanes);
        }
      }
    }
  }
}

// output[p] = activation(bias + initial[p] + the block's sum), for `count` <= kRows pixels from first_pixel on.
template <int kRows, int kVectors>
void multiply_rows(const PanelBlock& block, int64_t first_pixel, int64_t count) {
  prefetch_rows<kRows, kVectors>(block, first_pixel, count);
  Vec start[kVectors], sum[kRows][kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) start[v] = block.bias == nullptr ? zero() : load(block.bias + v * kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = start[v];
  }
  reduce_taps<kRows, kVectors>(block, first_pixel, sum);
  with_cheap_activation(block.activation,
                        [&](auto tag) { store_rows<decltype(tag)::value>(block, first_pixel, count, sum); });
}

template <int kVectors>
void multiply_tile(const PanelBlock& block, int64_t pixels) {
  constexpr int kRows = kPixelRows<kVectors>;
  for (int64_t pixel = 0; pixel < pixels; pixel += kRows) {
    multiply_rows<kRows, kVectors>(block, pixel, smaller<int64_t>(kRows, pixels - pixel));
  }
}

inline void multiply_tile(const PanelBlock& block, int vectors, int64_t pixels) {
  if constexpr (kPanelVectors == 4) {
    if (vectors == 4) return multiply_tile<4>(block, pixels);
    if (vectors == 3) return multiply_tile<3>(block, pixels);
  }
  if (vectors == 2) return multiply_tile<2>(block, pixels);
  return multiply_tile<1>(block, pixels);
}

// `channels` result channels in panels whose widths differ by at most one vector.
struct Panels {
  int64_t channels;

  int64_t vectors() const { return ceil_div(channels, kLanes); }
  int64_t count() const { return ceil_div(vectors(), kPanelVectors); }
  // Of the widest panel.
  int widest() const { return static_cast<int>(ceil_div(vectors(), count())); }
  int64_t first_vector(int64_t panel) const { return vectors() * panel / count(); }
  int width(int64_t panel) const { return static_cast<int>(first_vector(panel + 1) - first_vector(panel)); }
  int last_lanes(int64_t panel) const {
    return panel + 1 == count() ? static_cast<int>(channels - (vectors() - 1) * kLanes) : kLanes;
  }
};

}  // namespace convoy::kernels::CONVOY_ISA
