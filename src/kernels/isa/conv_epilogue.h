// What follows a convolution's product while its result is still in the cache: sums for batch norm, activation.
#pragma once

#include "convoy/activation.h"
#include "kernels/isa/activation.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {

// Pixels x channels of a result: channel c of pixel p at data[offsets[p] + c].
struct ResultTile {
  const float* data;
  const int64_t* offsets;
  int64_t pixels, channels;
};

template <int kVectors>
inline void write_statistics_of(const ResultTile& tile, int64_t channel, float* sums, float* deviations) {
  constexpr int kChains = 4 / kVectors;  // independent sums of a vector, to hide the latency of additions
  const float* data = tile.data + channel;
  Vec sum[kChains * kVectors], square[kChains * kVectors];
  for (int i = 0; i < kChains * kVectors; ++i) sum[i] = square[i] = zero();
  const auto for_every_vector = [&](const auto& body) {
    int64_t pixel = 0;
    for (; pixel + kChains <= tile.pixels; pixel += kChains) {
#pragma GCC unroll 4
      for (int i = 0; i < kChains * kVectors; ++i) {
        body(i, load(data + tile.offsets[pixel + i / kVectors] + i % kVectors * kLanes));
      }
    }
    for (; pixel < tile.pixels; ++pixel) {
#pragma GCC unroll 4
      for (int i = 0; i < kVectors; ++i) body(i, load(data + tile.offsets[pixel] + i * kLanes));
    }
  };
  const auto fold = [](Vec(&chains)[kChains * kVectors]) {
    for (int width = kChains / 2; width > 0; width /= 2) {
      for (int i = 0; i < width * kVectors; ++i) chains[i] = chains[i] + chains[i + width * kVectors];
    }
  };
  for_every_vector([&](int i, Vec x) { sum[i] = sum[i] + x; });
  fold(sum);
  Vec mean[kVectors];
  for (int i = 0; i < kVectors; ++i) mean[i] = sum[i] * broadcast(1.0F / static_cast<float>(tile.pixels));
  for_every_vector([&](int i, Vec x) {
    const Vec deviation = x - mean[i % kVectors];
    square[i] = fma(deviation, deviation, square[i]);
  });
  fold(square);
  for (int i = 0; i < kVectors; ++i) {
    store(sums + channel + i * kLanes, sum[i]);
    store(deviations + channel + i * kLanes, square[i]);
  }
}

// Fewer channels than a vector has lanes.
inline void write_statistics_tail(const ResultTile& tile, int64_t channel, float* sums, float* deviations) {
  const int lanes = static_cast<int>(tile.channels - channel);
  Vec sum = zero(), square = zero();
  for (int64_t p = 0; p < tile.pixels; ++p) sum = sum + load_n(tile.data + tile.offsets[p] + channel, lanes);
  const Vec mean = sum * broadcast(1.0F / static_cast<float>(tile.pixels));
  for (int64_t p = 0; p < tile.pixels; ++p) {
    const Vec deviation = load_n(tile.data + tile.offsets[p] + channel, lanes) - mean;
    square = fma(deviation, deviation, square);
  }
  store_n(sums + channel, sum, lanes);
  store_n(deviations + channel, square, lanes);
}

// Per channel the sum over the tile's pixels, and the sum of squared deviations from the tile's mean.
inline void write_statistics(const ResultTile& tile, float* sums, float* deviations) {
  int64_t channel = 0;
  for (; channel + 4 * kLanes <= tile.channels; channel += 4 * kLanes) {
    write_statistics_of<4>(tile, channel, sums, deviations);
  }
  for (; channel + 2 * kLanes <= tile.channels; channel += 2 * kLanes) {
    write_statistics_of<2>(tile, channel, sums, deviations);
  }
  for (; channel + kLanes <= tile.channels; channel += kLanes) {
    write_statistics_of<1>(tile, channel, sums, deviations);
  }
  if (channel < tile.channels) write_statistics_tail(tile, channel, sums, deviations);
}

// activated[offsets[p] + c] = activation(tile); may be the tile's data.
inline void write_activated(const ResultTile& tile, Activation activation, float* activated) {
  with_activation(activation, [&](auto tag) {
    for (int64_t pixel = 0; pixel < tile.pixels; ++pixel) {
      const float* from = tile.data + tile.offsets[pixel];
      float* to = activated + tile.offsets[pixel];
      int64_t c = 0;
      for (; c + 2 * kLanes <= tile.channels; c += 2 * kLanes) {
        store(to + c, activate<decltype(tag)::value>(load_pair(from + c)));
      }
      for (; c + kLanes <= tile.channels; c += kLanes) {
        store(to + c, activate<decltype(tag)::value>(load(from + c)));
      }
      if (c == tile.channels) continue;
      const int lanes = static_cast<int>(tile.channels - c);
      store_n(to + c, activate<decltype(tag)::value>(load_n(from + c, lanes)), lanes);
    }
  });
}

}  // namespace convoy::kernels::CONVOY_ISA
