// The transforms of Winograd's F(4x4, 3x3) with the points 0, a, -a, b, -b, infinity, a = sqrt(1/2), b = sqrt(2):
// output = A^T [(G weight G^T) * (B^T input B)] A for an input tile of 6x6 and an output tile of 4x4 (arXiv 1509.09308,
// section 4.3), vectors over channels. The gradient of the weight is G^T [(B^T input B) * (A grad_output A^T)] G.
//
// Points that are each other's reciprocals, with either sign, keep the transforms' factors near 1 (arXiv 2201.10369):
// the error is less than half of that with the usual 0, 1, -1, 2, -2.
#pragma once

#include "kernels/conv_args.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {

inline constexpr int kWinogradPositions = 36;

inline constexpr float kPointA = 0.70710678F;  // b = 2 a, a^2 = 1/2, b^2 = 2

// One axis each: B^T, G, A^T and, for the weight gradient, A and G^T.
struct InputTransform {
  static constexpr int kFrom = 6, kTo = 6;
  static void apply(const Vec (&d)[6], Vec (&r)[6]) {
    const Vec half = broadcast(0.5F), two = broadcast(2.0F), middle = broadcast(2.5F);
    const Vec a = broadcast(kPointA), b = broadcast(2 * kPointA);
    const Vec even_a = fnma(two, d[2], d[4]), odd_a = fnma(two, d[1], d[3]);
    const Vec even_b = fnma(half, d[2], d[4]), odd_b = fnma(half, d[1], d[3]);
    r[0] = fnma(middle, d[2], d[0] + d[4]);
    r[1] = fma(a, odd_a, even_a);
    r[2] = fnma(a, odd_a, even_a);
    r[3] = fma(b, odd_b, even_b);
    r[4] = fnma(b, odd_b, even_b);
    r[5] = fnma(middle, d[3], d[1] + d[5]);
  }
};

struct WeightTransform {
  static constexpr int kFrom = 3, kTo = 6;
  static void apply(const Vec (&g)[3], Vec (&r)[6]) {
    const Vec third = broadcast(1.0F / 3), sixth = broadcast(1.0F / 6);
    const Vec even_a = zero() - fma(g[0], third + third, g[2] * third), odd_a = g[1] * broadcast(kPointA * 2 / 3);
    const Vec even_b = fma(g[0], sixth, g[2] * third), odd_b = g[1] * broadcast(kPointA / 3);
    r[0] = g[0];
    r[1] = even_a - odd_a;
    r[2] = even_a + odd_a;
    r[3] = even_b + odd_b;
    r[4] = even_b - odd_b;
    r[5] = g[2];
  }
};

struct OutputTransform {
  static constexpr int kFrom = 6, kTo = 4;
  static void apply(const Vec (&m)[6], Vec (&r)[4]) {
    const Vec half = broadcast(0.5F), two = broadcast(2.0F), a = broadcast(kPointA);
    const Vec sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    r[0] = m[0] + sum_a + sum_b;
    r[1] = fma(two, difference_b, difference_a) * a;
    r[2] = fma(half, sum_a, two * sum_b);
    r[3] = fma(fma(broadcast(8.0F), difference_b, difference_a), broadcast(kPointA / 2), m[5]);
  }
};

struct GradOutputTransform {
  static constexpr int kFrom = 4, kTo = 6;
  static void apply(const Vec (&y)[4], Vec (&r)[6]) {
    const Vec half = broadcast(0.5F), two = broadcast(2.0F);
    const Vec a = broadcast(kPointA), b = broadcast(2 * kPointA);
    const Vec even_a = fma(half, y[2], y[0]), odd_a = fma(half, y[3], y[1]);
    const Vec even_b = fma(two, y[2], y[0]), odd_b = fma(two, y[3], y[1]);
    r[0] = y[0];
    r[1] = fma(a, odd_a, even_a);
    r[2] = fnma(a, odd_a, even_a);
    r[3] = fma(b, odd_b, even_b);
    r[4] = fnma(b, odd_b, even_b);
    r[5] = y[3];
  }
};

struct GradWeightTransform {
  static constexpr int kFrom = 6, kTo = 3;
  static void apply(const Vec (&u)[6], Vec (&r)[3]) {
    const Vec third = broadcast(1.0F / 3), sixth = broadcast(1.0F / 6);
    const Vec sum_a = u[1] + u[2], difference_a = u[1] - u[2], sum_b = u[3] + u[4], difference_b = u[3] - u[4];
    r[0] = fma(sum_b, sixth, fnma(third + third, sum_a, u[0]));
    r[1] = fnma(broadcast(2.0F), difference_a, difference_b) * broadcast(kPointA / 3);
    r[2] = fma(sum_b - sum_a, third, u[5]);
  }
};

// Both axes: to = T from T^t.
template <class Transform>
inline void transform_tile(const Vec (&from)[Transform::kFrom][Transform::kFrom],
                           Vec (&to)[Transform::kTo][Transform::kTo]) {
  constexpr int kFrom = Transform::kFrom, kTo = Transform::kTo;
  Vec half[kTo][kFrom];
#pragma GCC unroll 6
  for (int x = 0; x < kFrom; ++x) {
    Vec column[kFrom], result[kTo];
#pragma GCC unroll 6
    for (int y = 0; y < kFrom; ++y) column[y] = from[y][x];
    Transform::apply(column, result);
#pragma GCC unroll 6
    for (int y = 0; y < kTo; ++y) half[y][x] = result[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < kTo; ++y) Transform::apply(half[y], to[y]);
}

// Maps of one convolution as Winograd sees it: tiles of 4x4 outputs, each from 6x6 inputs.
struct WinogradMaps {
  int64_t batch, in_h, in_w, in_c, out_h, out_w, out_c, pad_h, pad_w;

  int64_t tile_rows() const { return ceil_div(out_h, 4); }
  int64_t tile_columns() const { return ceil_div(out_w, 4); }
  int64_t tiles() const { return batch * tile_rows() * tile_columns(); }
};

inline WinogradMaps forward_maps(const ConvGeometry& g) {
  return {g.batch, g.in_h, g.in_w, g.in_c, g.out_h, g.out_w, g.out_c, g.pad_h, g.pad_w};
}

constexpr int64_t whole_vectors(int64_t channels) { return ceil_div(channels, kLanes) * kLanes; }

struct TilePlace {
  int64_t image, y, x;  // of its first output
};

inline TilePlace place_of(const WinogradMaps& maps, int64_t tile) {
  return {tile / (maps.tile_rows() * maps.tile_columns()), tile / maps.tile_columns() % maps.tile_rows() * 4,
          tile % maps.tile_columns() * 4};
}

// Where the transformed inputs of a tile go.
struct InputPlace {
  float* first;
  int64_t stride;
  float* start(int64_t vector) const { return first + vector * kLanes; }
};

// Transforms kSize x kSize pixels of an [h][w][channels] image from (y, x) on, pixels outside it being zero. Vector v
// of position p goes to place.start(v) + p * place.stride; behind the last channel it is zero.
template <class Transform, class Place>
inline void transform_pixels(const float* image, int64_t h, int64_t w, int64_t channels, int64_t y, int64_t x,
                             const float* zeros, const Place& place) {
  constexpr int kSize = Transform::kFrom;
  const float* pixels[kSize][kSize];
  for (int i = 0; i < kSize; ++i) {
    for (int j = 0; j < kSize; ++j) {
      const bool inside = y + i >= 0 && y + i < h && x + j >= 0 && x + j < w;
      pixels[i][j] = inside ? image + ((y + i) * w + x + j) * channels : zeros;
    }
  }
  const auto transform = [&](int64_t v, const auto& read) {
    Vec from[kSize][kSize], to[6][6];
#pragma GCC unroll 6
    for (int i = 0; i < kSize; ++i) {
#pragma GCC unroll 6
      for (int j = 0; j < kSize; ++j) from[i][j] = read(pixels[i][j] + v * kLanes);
    }
    transform_tile<Transform>(from, to);
    float* result = place.start(v);
#pragma GCC unroll 36
    for (int p = 0; p < kWinogradPositions; ++p) store(result + p * place.stride, to[p / 6][p % 6]);
  };
  const int64_t whole = channels / kLanes;
  for (int64_t v = 0; v < whole; ++v) transform(v, [](const float* at) { return load(at); });
  const int tail = static_cast<int>(channels % kLanes);
  if (tail > 0) transform(whole, [&](const float* at) { return load_n(at, tail); });
}

}  // namespace convoy::kernels::CONVOY_ISA
