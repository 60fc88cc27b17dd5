// Functions of an activation's magnitude by pieces: cubics whose coefficients are looked up in registers, where there
// are 32 registers of 16 numbers for them (AVX-512). A function takes as long as eight multiplications.
#pragma once

#include "kernels/isa/pair.h"

namespace convoy::kernels::CONVOY_ISA {

#if defined(CONVOY_ISA_avx512)
inline constexpr bool kHasPieces = true;

// A function on [0, most] in 32 pieces of one width, around its multiples. Each piece is the cubic through the
// function's values at the roots of Chebyshev's polynomial, of which the error is 2 (width / 4)^4 / 4! of the fourth
// derivative at the most.
struct Pieces {
  static constexpr int kCount = 32;
  float most, per_unit;
  alignas(64) float coefficients[4][kCount] = {};  // of the distance from the piece's middle, in widths

  template <class Function>
  constexpr Pieces(double end, const Function& function)
      : most(static_cast<float>(end)), per_unit(static_cast<float>((kCount - 0.51) / end)) {
    constexpr double kOuter = 0.46193976625564337, kInner = 0.1913417161825449;
    constexpr double kOuterSquare = kOuter * kOuter, kInnerSquare = kInner * kInner;
    const double width = 1 / static_cast<double>(per_unit);
    for (int piece = 0; piece < kCount; ++piece) {
      const auto at = [&](double distance) { return function((piece + distance) * width); };
      const double even = (at(kOuter) + at(-kOuter)) / 2, odd = (at(kOuter) - at(-kOuter)) / 2 / kOuter;
      const double inner_even = (at(kInner) + at(-kInner)) / 2, inner_odd = (at(kInner) - at(-kInner)) / 2 / kInner;
      const double square = (even - inner_even) / (kOuterSquare - kInnerSquare);
      const double cube = (odd - inner_odd) / (kOuterSquare - kInnerSquare);
      coefficients[0][piece] = static_cast<float>(inner_even - square * kInnerSquare);
      coefficients[1][piece] = static_cast<float>(inner_odd - cube * kInnerSquare);
      coefficients[2][piece] = static_cast<float>(square);
      coefficients[3][piece] = static_cast<float>(cube);
    }
  }
};

// e^x in constants: (e^(x / 1024))^1024.
constexpr double constant_exp(double x) {
  const double y = x / 1024;
  double power = 1 + y * (1 + y / 2 * (1 + y / 3 * (1 + y / 4 * (1 + y / 5 * (1 + y / 6)))));
  for (int i = 0; i < 10; ++i) power *= power;
  return power;
}
// The normal distribution's density, and its upper tail: 1/2 - density (a + a^3 / 3 + a^5 / (3 5) + ...).
constexpr double constant_density(double a) { return 0.3989422804014327 * constant_exp(-a * a / 2); }
constexpr double constant_tail(double a) {
  double term = a, sum = a;
  for (int i = 3; i < 200; i += 2) sum += term *= a * a / i;
  return 0.5 - constant_density(a) * sum;
}

// The tail is right to 2^-12 below 4.5, and a times it to 2^-30 beyond.
inline constexpr Pieces kNormalTail(
    6.4, [](double a) constexpr { return constant_tail(a); });
// 1/2 less gelu's slope at -a.
inline constexpr Pieces kGeluSlope(
    6.4, [](double a) constexpr { return 0.5 - (constant_tail(a) - a * constant_density(a)); });

// At a in [0, function.most]. NaN propagates.
inline Vec by_pieces(const Pieces& function, Vec a) {
  const __m512 per_unit = _mm512_set1_ps(function.per_unit), whole = _mm512_set1_ps(0x1p23F);
  // Numbers from 2^23 on are whole, and their last bits the piece.
  const __m512 number = _mm512_fmadd_ps(a.v, per_unit, whole);
  const __m512i piece = _mm512_castps_si512(number);
  const Vec distance{_mm512_fmsub_ps(a.v, per_unit, _mm512_sub_ps(number, whole))};
  const auto coefficient = [&](int i) {
    const float* all = function.coefficients[i];
    return Vec{_mm512_permutex2var_ps(_mm512_load_ps(all), piece, _mm512_load_ps(all + kLanes))};
  };
  Vec result = fma(coefficient(3), distance, coefficient(2));
  result = fma(result, distance, coefficient(1));
  return fma(result, distance, coefficient(0));
}

// gelu(x) = max(x, 0) - |x| tail(|x|), and its slope, which is at x what 1 less it is at -x.
inline Vec gelu_by_pieces(Vec x) {
  const Vec a = min(broadcast(kNormalTail.most), abs(x));
  return fnma(a, by_pieces(kNormalTail, a), max(zero(), x));
}
inline Vec gelu_slope_by_pieces(Vec x) {
  const Vec half = by_pieces(kGeluSlope, min(broadcast(kGeluSlope.most), abs(x)));
  const __m512 sign = _mm512_and_ps(x.v, _mm512_set1_ps(-0.0F));
  return broadcast(0.5F) + Vec{_mm512_xor_ps(half.v, sign)};
}
inline Pair gelu_by_pieces(Pair x) { return {gelu_by_pieces(x.a), gelu_by_pieces(x.b)}; }
inline Pair gelu_slope_by_pieces(Pair x) { return {gelu_slope_by_pieces(x.a), gelu_slope_by_pieces(x.b)}; }
#else
inline constexpr bool kHasPieces = false;
#endif

}  // namespace convoy::kernels::CONVOY_ISA
