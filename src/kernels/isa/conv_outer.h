// The register-blocked product of weight gradients: input channels by vectors of output channels, reduced over pixels.
#pragma once

#include <cstdint>

#include "kernels/isa/conv_gather.h"
#include "kernels/isa/conv_microkernel.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {

// Pixels reduced at a time: a panel of grad_output and a strip of channels stay in the L1 cache.
inline constexpr int64_t kOuterPixels = 96;
static_assert(kMostRows <= 3 * kLanes);

// `channels` input channels in strips of `most` or fewer rows, which differ by one at most.
class Strips {
 public:
  Strips(int64_t channels, int most)
      : channels_(channels),
        most_(most),
        count_(ceil_div(channels, most)),
        rows_(channels / count_),
        longer_(channels % count_) {}

  int64_t channels() const { return channels_; }
  int most() const { return most_; }
  int64_t count() const { return count_; }
  int64_t begin(int64_t strip) const { return strip * rows_ + smaller(strip, longer_); }
  int64_t rows(int64_t strip) const { return rows_ + (strip < longer_ ? 1 : 0); }
  // Of a packed strip, with what the last pixel's store writes behind it.
  int64_t floats() const { return kOuterPixels * most_ + 2 * kLanes; }

 private:
  int64_t channels_;
  int most_;
  int64_t count_, rows_, longer_;
};

// One strip of a block of pixels: gradients[r][...] += sum over pixels of channels[pixel][r] * packed[pixel].
struct PixelStrip {
  const float* channels;  // [pixel][kRows]
  const float* packed;    // [pixel][kVectors * kLanes]
  int64_t pixels;
  float* gradients;  // [row][kVectors * kLanes]
  bool first;        // gradients are overwritten
};

// packed[strip][pixel][strips.most()] from the channels of each pixel. The stores of a pixel reach into the next one's
// place, which is written after it. kVectors hold a strip's rows.
template <int kVectors>
void pack_channels(const float* const* sources, int64_t pixels, Strips strips, float* packed) {
  int64_t whole = strips.count();  // strips whose vectors do not reach over the last channel
  while (whole > 0 && strips.begin(whole - 1) + kVectors * kLanes > strips.channels()) --whole;
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    const float* from = sources[pixel];
    const float* const end = from + strips.channels();
    float* to = packed + pixel * strips.most();
    int64_t strip = 0;
    for (; strip < whole; ++strip, to += strips.floats()) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) store(to + v * kLanes, load(from + v * kLanes));
      from += strips.rows(strip);
    }
    for (; strip < strips.count(); ++strip, to += strips.floats()) {
      for (int v = 0; v < kVectors && from + v * kLanes < end; ++v) {
        const auto left = static_cast<int>(smaller<int64_t>(kLanes, end - from - v * kLanes));
        store(to + v * kLanes, load_n(from + v * kLanes, left));
      }
      from += strips.rows(strip);
    }
  }
}

inline void pack_channels(const float* const* sources, int64_t pixels, const Strips& strips, float* packed) {
  const int64_t vectors = ceil_div(strips.most(), kLanes);
  if (vectors == 1) return pack_channels<1>(sources, pixels, strips, packed);
  if (vectors == 2) return pack_channels<2>(sources, pixels, strips, packed);
  pack_channels<3>(sources, pixels, strips, packed);
}

// The rows of a block of pixels that is to come, fetched into the L2 cache some lines at a time.
class RowFetch {
 public:
  // calls: of next().
  RowFetch(const float* const* rows, int64_t count, int64_t floats, int64_t calls)
      : rows_(rows), count_(count), floats_(floats), share_(ceil_div(count * ceil_div(floats, kLine), calls)) {}

  void next() {
    for (int64_t i = 0; i < share_ && row_ < count_; ++i) {
      __builtin_prefetch(rows_[row_] + at_, 0, 2);
      at_ += kLine;
      if (at_ < floats_) continue;
      at_ = 0;
      ++row_;
    }
  }

 private:
  static constexpr int64_t kLine = 64 / sizeof(float);
  const float* const* rows_;
  int64_t count_, floats_, share_, row_ = 0, at_ = 0;
};

// kRows rows of kStripRows packed.
template <int kRows, int kVectors, int kStripRows>
void multiply_whole(const PixelStrip& strip) {
  Vec sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = zero();
  }
  const bool first = strip.first;
  float* gradients = strip.gradients;
#pragma GCC unroll 48
  for (int i = 0; i < kRows * kVectors; ++i) __builtin_prefetch(gradients + i * kLanes, 1);
  const float* channels = strip.channels;
  const float* packed = strip.packed;
  const int64_t pixels = strip.pixels;
#pragma GCC unroll 2
  for (int64_t pixel = 0; pixel < pixels; ++pixel, channels += kStripRows, packed += kVectors * kLanes) {
    Vec g[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) g[v] = load(packed + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec x = broadcast(channels[r]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = add_product(sum[r][v], x, g[v]);
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

// A strip of kRows rows or fewer.
template <int kRows, int kVectors, int kStripRows>
void multiply_some(const PixelStrip& strip, int64_t rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return multiply_some<kRows - 1, kVectors, kStripRows>(strip, rows);
  }
  multiply_whole<kRows, kVectors, kStripRows>(strip);
}

template <int kStripRows, int kWidest>
void multiply_strip(const PixelStrip& strip, int64_t rows, int vectors) {
  if constexpr (kWidest > 1) {
    if (vectors < kWidest) return multiply_some<kStripRows, kWidest - 1, kStripRows>(strip, rows);
  }
  multiply_some<kStripRows, kWidest, kStripRows>(strip, rows);
}

// Rows of a strip whose product with panels of at most `widest` vectors fills the registers.
inline int strip_rows(int widest) {
  if constexpr (kPanelVectors == 4) {
    if (widest == 4) return kPixelRows<4>;
    if (widest == 3) return kPixelRows<3>;
  }
  return widest == 2 ? kPixelRows<2> : kPixelRows<1>;
}

// rows: of the strip. vectors: of the panel, `widest` or one less, with strip_rows(widest) rows packed.
inline void multiply_strip(const PixelStrip& strip, int64_t rows, int vectors, int widest) {
  if constexpr (kPanelVectors == 4) {
    if (widest == 4) return multiply_strip<kPixelRows<4>, 4>(strip, rows, vectors);
    if (widest == 3) return multiply_strip<kPixelRows<3>, 3>(strip, rows, vectors);
  }
  if (widest == 2) return multiply_strip<kPixelRows<2>, 2>(strip, rows, vectors);
  multiply_strip<kPixelRows<1>, 1>(strip, rows, vectors);
}

// All strips of a block with one panel, before each of them fetch(): first_strip is the first of them, its gradients
// those of all [channel][panel's lanes].
template <class Fetch>
void multiply_panel(const PixelStrip& first_strip, const Strips& strips, int vectors, int widest, const Fetch& fetch) {
  PixelStrip strip = first_strip;
  for (int64_t s = 0; s < strips.count(); ++s, strip.channels += strips.floats()) {
    const int64_t rows = strips.rows(s);
    fetch();
    multiply_strip(strip, rows, vectors, widest);
    strip.gradients += rows * vectors * kLanes;
  }
}

}  // namespace convoy::kernels::CONVOY_ISA
