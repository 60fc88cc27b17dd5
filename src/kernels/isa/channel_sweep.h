// Passes over a feature map [pixels][channels] with constants and sums per channel.
//
// Several pixels are taken as one row of the sweep, so that few channels, or a number of them that is no multiple of
// the register's, still fill whole registers. Constants are spread over such a row before the pass, and sums are kept
// per column of it and gathered into channels after it.
#pragma once

#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {

struct Fold {
  int64_t channels;
  int64_t pixels;  // in a row
  int64_t width;   // floats in a row
  int64_t padded;  // width, up to whole registers
};

inline Fold fold_channels(int64_t channels) {
  constexpr int64_t kMinWidth = 8 * kLanes, kMaxWidth = 64 * kLanes;
  int64_t pixels = 1;
  while (pixels * channels % kLanes != 0) pixels *= 2;
  if (channels >= kMinWidth || pixels * channels > kMaxWidth) pixels = 1;
  if (pixels * channels < kMinWidth) pixels *= ceil_div(kMinWidth, pixels * channels);
  const int64_t width = pixels * channels;
  return {channels, pixels, width, ceil_div(width, kLanes) * kLanes};
}

// Repeats `values` [channels] over a row; the padding is zero.
inline void spread(const Fold& fold, const float* values, float* row) {
  for (int64_t column = 0; column < fold.width; column += fold.channels) {
    for (int64_t c = 0; c < fold.channels; ++c) row[column + c] = values[c];
  }
  for (int64_t column = fold.width; column < fold.padded; ++column) row[column] = 0.0F;
}

// Whole registers, or the first `lanes` of one; keep() zeroes the others.
alignas(64) inline constexpr float kLaneIndex[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static_assert(kLanes <= 16);
struct Whole {
  Vec load(const float* p) const { return CONVOY_ISA::load(p); }
  void store(float* p, Vec a) const { CONVOY_ISA::store(p, a); }
  Vec keep(Vec a) const { return a; }
};
struct Part {
  int lanes;
  Vec load(const float* p) const { return load_n(p, lanes); }
  void store(float* p, Vec a) const { store_n(p, a, lanes); }
  Vec keep(Vec a) const {
    return select(CONVOY_ISA::load(kLaneIndex) < broadcast(static_cast<float>(lanes)), a, zero());
  }
};

// Rows taken together: constants and sums are loaded once for all of them, and sums lose fewer bits in two stages.
inline constexpr int kRowGroup = 4;

// Calls body.run<kRows>(offset, stride, column, lanes) for the registers of kRows rows: the first row's is at `offset`
// in the map, the others `stride` further each, their constants and sums at `column`.
template <int kRows, class Body>
inline void sweep_rows(int64_t offset, int64_t stride, int64_t width, const Body& body) {
  int64_t column = 0;
  for (; column + kLanes <= width; column += kLanes) {
    body.template run<kRows>(offset + column, stride, column, Whole{});
  }
  if (column < width) {
    body.template run<kRows>(offset + column, stride, column, Part{static_cast<int>(width - column)});
  }
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

// Sums of x - shift and of its square.
struct Moments {
  const float *input, *shift;
  float *sum, *squares;

  template <int kRows, class Lanes>
  void run(int64_t offset, int64_t stride, int64_t column, Lanes lanes) const {
    const Vec k = load(shift + column);
    Vec s = zero(), q = zero();
    for (int row = 0; row < kRows; ++row) {
      const Vec d = lanes.load(input + offset + row * stride) - k;
      s = s + d;
      q = fma(d, d, q);
    }
    lanes.store(sum + column, load(sum + column) + s);
    lanes.store(squares + column, load(squares + column) + q);
  }
};

// Floats of scratch that tile_moments needs.
inline int64_t moments_scratch(const Fold& fold) { return 3 * fold.padded; }

// The sum [channels] and the sum of squared deviations from the mean [channels] of a tile of pixels. One pass: the
// deviations are taken from the mean of the first few rows, and corrected in double precision as
// sum (x - mean)^2 = sum (x - k)^2 - (sum (x - k))^2 / n, which loses nothing where k is near the mean.
inline void tile_moments(const Fold& fold, const float* input, int64_t first_pixel, int64_t pixels, float* partial,
                         float* scratch) {
  const int64_t channels = fold.channels;
  float *shift = scratch, *sum = shift + fold.padded, *squares = sum + fold.padded;
  const float* tile = input + first_pixel * channels;
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
  sweep(fold, first_pixel, pixels, Moments{input, shift, sum, squares});

  for (int64_t c = 0; c < channels; ++c) {
    double total = 0;
    for (int64_t i = 0; i < smaller(fold.pixels, pixels); ++i) {
      const int64_t column = i * channels + c;
      total += static_cast<double>(sum[column]) +
               static_cast<double>(rows + (i < rest)) * static_cast<double>(shift[column]);
    }
    const double mean = total / static_cast<double>(pixels);
    double deviations = 0;
    for (int64_t i = 0; i < smaller(fold.pixels, pixels); ++i) {
      const int64_t column = i * channels + c;
      const double offset = static_cast<double>(shift[column]) - mean;
      deviations += static_cast<double>(squares[column]) +
                    offset * (2.0 * static_cast<double>(sum[column]) + static_cast<double>(rows + (i < rest)) * offset);
    }
    partial[c] = static_cast<float>(total);
    partial[channels + c] = static_cast<float>(larger(deviations, 0.0));
  }
}

}  // namespace convoy::kernels::CONVOY_ISA
