// Passes over a feature map [pixels][channels] with constants and sums per channel.
//
// Several pixels are taken as one row of the sweep, so that few channels, or a number of them that is no multiple of
// the register's, still fill whole registers. Constants are spread over such a row before the pass, and sums are kept
// per column of it and gathered into channels after it.
#pragma once

#include "kernels/isa/tiles.h"

namespace convoy::kernels::CONVOY_ISA {

struct Fold {
  int64_t channels;
  int64_t pixels;  // in a row
  int64_t width;   // floats in a row
  int64_t padded;  // width, up to whole registers
  int64_t
      ahead;  // floats from what a sum reads to what it prefetches: measured, 1.1 to 1.3 times the speed from memory
};

// Rows taken together: constants and sums are loaded once for all of them, and sums lose fewer bits in two stages.
inline constexpr int kRowGroup = 4;

inline Fold fold_channels(int64_t channels) {
  constexpr int64_t kMinWidth = 8 * kLanes, kMaxWidth = 64 * kLanes, kAhead = 256;
  int64_t pixels = 1;
  while (pixels * channels % kLanes != 0) pixels *= 2;
  if (channels >= kMinWidth || pixels * channels > kMaxWidth) pixels = 1;
  if (pixels * channels < kMinWidth) pixels *= ceil_div(kMinWidth, pixels * channels);
  const int64_t width = pixels * channels;
  const int64_t group = width <= 4 * kAhead ? (kRowGroup - 1) * width : 0;
  return {channels, pixels, width, ceil_div(width, kLanes) * kLanes, group + kAhead};
}

// Repeats `values` [channels] over a row; the padding is zero.
inline void spread(const Fold& fold, const float* values, float* row) {
  for (int64_t column = 0; column < fold.width; column += fold.channels) {
    for (int64_t c = 0; c < fold.channels; ++c) row[column + c] = values[c];
  }
  for (int64_t column = fold.width; column < fold.padded; ++column) row[column] = 0.0F;
}

// Calls body.run<kRows>(offset, stride, column, part) for the registers of kRows rows: the first row's is at `offset`
// in the map, the others `stride` further each, their constants and sums at `column`.
template <int kRows, class Body>
inline void sweep_rows(int64_t offset, int64_t stride, int64_t width, const Body& body) {
  each_register(0, width,
                [&](int64_t column, auto part) { body.template run<kRows>(offset + column, stride, column, part); });
}

// Sweeps `pixels` pixels of the map from `first_pixel` on.
template <class Body>
inline void sweep(const Fold& fold, int64_t first_pixel, int64_t pixels, const Body& body) {
  const int64_t rows = pixels / fold.pixels;
  const int64_t rest = (pixels - rows * fold.pixels) * fold.channels;
  int64_t offset = first_pixel * fold.channels;
  int64_t row = 0;
  for (; row + kRowGroup <= rows; row += kRowGroup) {
    sweep_rows<kRowGroup>(offset, fold.width, fold.width, body);
    offset += kRowGroup * fold.width;
  }
  for (; row < rows; ++row) {
    sweep_rows<1>(offset, fold.width, fold.width, body);
    offset += fold.width;
  }
  sweep_rows<1>(offset, fold.width, rest, body);
}
// The same for a body whose stores go around the caches: pixel by pixel, as half lines are slow to stream where others
// are written in between. stream_end() is to follow before the task ends.
template <class Body>
inline void sweep_streamed(const Fold& fold, int64_t first_pixel, int64_t pixels, const Body& body) {
  const auto row = [&](int64_t offset, int64_t width) {
    int64_t column = 0;
    for (; column + 2 * kLanes <= width; column += 2 * kLanes) {
      body.template run<1>(offset + column, 0, column, StreamedPair{});
    }
    each_register<StreamedRegister>(column, width,
                                    [&](int64_t i, auto part) { body.template run<1>(offset + i, 0, i, part); });
  };
  const int64_t begin = first_pixel * fold.channels, end = begin + pixels * fold.channels;
  for (int64_t offset = begin; offset < end; offset += fold.width) row(offset, smaller(fold.width, end - offset));
}
template <class Body>
inline void sweep(const Fold& fold, int64_t first_pixel, int64_t pixels, bool streamed, const Body& body) {
  streamed ? sweep_streamed(fold, first_pixel, pixels, body) : sweep(fold, first_pixel, pixels, body);
}

// Sums of x - shift and of its square.
template <class Map>
struct Moments {
  const Map* input;
  const float* shift;
  float *sum, *squares;
  int64_t ahead;

  template <int kRows, class Part>
  void run(int64_t offset, int64_t stride, int64_t column, Part part) const {
    const Vec k = load(shift + column);
    Vec s = zero(), q = zero();
    for (int row = 0; row < kRows; ++row) {
      __builtin_prefetch(input + offset + row * stride + ahead);
      const Vec d = part.load(input + offset + row * stride) - k;
      s = s + d;
      q = fma(d, d, q);
    }
    part.store(sum + column, load(sum + column) + s);
    part.store(squares + column, load(squares + column) + q);
  }
};

// Channels that loops in double precision take at a time.
inline constexpr int64_t kChannelBlock = 32;

// The partial statistics of `count` channels from the moments of their columns, whose shift k differs from column to
// column: sum (x - mean)^2 = sum (x - k)^2 + (k - mean) (2 sum (x - k) + n (k - mean)).
template <class Map>
inline void gather_moments(const Fold& fold, int64_t pixels, const Moments<Map>& moments, int64_t count,
                           float* partial) {
  const int64_t rows = pixels / fold.pixels, rest = pixels - rows * fold.pixels;
  const int64_t columns = smaller(fold.pixels, pixels) * fold.channels;
  double total[kChannelBlock] = {}, mean[kChannelBlock], deviations[kChannelBlock] = {};
  for (int64_t column = 0; column < columns; column += fold.channels) {
    const double n = static_cast<double>(rows + (column < rest * fold.channels));
    const float *shift = moments.shift + column, *sum = moments.sum + column;
    for (int64_t c = 0; c < count; ++c) total[c] += static_cast<double>(sum[c]) + n * static_cast<double>(shift[c]);
  }
  const double share = 1.0 / static_cast<double>(pixels);
  for (int64_t c = 0; c < count; ++c) mean[c] = total[c] * share;
  for (int64_t column = 0; column < columns; column += fold.channels) {
    const double n = static_cast<double>(rows + (column < rest * fold.channels));
    const float *shift = moments.shift + column, *sum = moments.sum + column, *squares = moments.squares + column;
    for (int64_t c = 0; c < count; ++c) {
      const double offset = static_cast<double>(shift[c]) - mean[c];
      deviations[c] += static_cast<double>(squares[c]) + offset * (2.0 * static_cast<double>(sum[c]) + n * offset);
    }
  }
  for (int64_t c = 0; c < count; ++c) {
    partial[c] = static_cast<float>(total[c]);
    partial[fold.channels + c] = static_cast<float>(larger(deviations[c], 0.0));
  }
}

// Floats of scratch that tile_moments needs.
inline int64_t moments_scratch(const Fold& fold) { return 3 * fold.padded; }

// The partial statistics [2][channels] of a tile of pixels: the sum, and the sum of squared deviations from the mean.
// One pass: the deviations are taken from the mean of the first few rows and corrected, which loses nothing where that
// mean is near the tile's.
template <class Map>
inline void tile_moments(const Fold& fold, const Map* input, int64_t first_pixel, int64_t pixels, float* partial,
                         float* scratch) {
  const int64_t channels = fold.channels;
  float *shift = scratch, *sum = shift + fold.padded, *squares = sum + fold.padded;
  const Map* tile = input + first_pixel * channels;
  const int64_t rows = pixels / fold.pixels, rest = pixels - rows * fold.pixels;
  const int64_t near = smaller<int64_t>(rows, 4);
  for (int64_t column = 0; column < fold.padded; ++column) sum[column] = squares[column] = shift[column] = 0.0F;
  for (int64_t row = 0; row < near; ++row) {
    for (int64_t column = 0; column < fold.width; ++column) shift[column] += tile[row * fold.width + column];
  }
  if (near > 0) {
    for (int64_t column = 0; column < fold.width; ++column) shift[column] /= static_cast<float>(near);
  } else {
    for (int64_t column = 0; column < rest * channels; ++column) shift[column] = tile[column];
  }
  sweep(fold, first_pixel, pixels, Moments<Map>{input, shift, sum, squares, fold.ahead});

  for (int64_t first = 0; first < channels; first += kChannelBlock) {
    gather_moments(fold, pixels, Moments<Map>{nullptr, shift + first, sum + first, squares + first, 0},
                   smaller(kChannelBlock, channels - first), partial + first);
  }
}

}  // namespace convoy::kernels::CONVOY_ISA
