// One register of floats, the same names for every instruction set. Included only by sources in this folder, which are
// compiled once per set with CONVOY_ISA naming it; everything here lives in that set's namespace, so that no inline
// function compiled for one set can be linked into another. For the same reason these sources use no templates of the
// standard library.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convoy/bf16.h"

#if defined(CONVOY_ISA_avx512) || defined(CONVOY_ISA_avx2)
#include <immintrin.h>
#endif

namespace convoy::kernels::CONVOY_ISA {

#if defined(CONVOY_ISA_avx512)

inline constexpr int kLanes = 16;
inline constexpr int kRegisters = 32;
struct Vec {
  __m512 v;
};
struct Mask {
  __mmask16 m;
};

inline Vec zero() { return {_mm512_setzero_ps()}; }
inline Vec broadcast(float x) { return {_mm512_set1_ps(x)}; }
inline Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, Vec a) { _mm512_storeu_ps(p, a.v); }
// The first n lanes, 0 <= n <= kLanes; no byte beyond them is touched, the other lanes are zero.
inline Vec load_n(const float* p, int n) { return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << n) - 1U), p)}; }
inline void store_n(float* p, Vec a, int n) { _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << n) - 1U), a.v); }
// Bypasses the caches; p aligned to what is stored.
inline void stream(float* p, Vec a) { _mm512_stream_ps(p, a.v); }
// Brain floats, as floats in registers; stores round as Bf16 does.
inline __m256i round_to_bf16(Vec a) {
#if defined(__AVX512BF16__)
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a.v));
#else
  const __m512i bits = _mm512_castps_si512(a.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
#endif
}
inline Vec widen(__m256i bits) { return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))}; }
inline Vec load(const Bf16* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline void store(Bf16* p, Vec a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), round_to_bf16(a)); }
inline Vec load_n(const Bf16* p, int n) {
  return widen(_mm256_maskz_loadu_epi16(static_cast<__mmask16>((1U << n) - 1U), p));
}
inline void store_n(Bf16* p, Vec a, int n) {
  _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1U << n) - 1U), round_to_bf16(a));
}
inline void stream(Bf16* p, Vec a) { _mm256_stream_si256(reinterpret_cast<__m256i*>(p), round_to_bf16(a)); }
// A line of 32 brain floats in two registers, even places and odd ones, which are widened and rounded without moving
// lanes; and floats in that order.
struct Line {
  Vec even, odd;
};
inline Line load_line(const Bf16* p) {
  const __m512i bits = _mm512_loadu_si512(p);
  return {{_mm512_castsi512_ps(_mm512_slli_epi32(bits, 16))},
          {_mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(static_cast<int>(0xFFFF0000U))))}};
}
inline __m512i round_line(Line line) {
  const __m512i half = _mm512_set1_epi32(0x7FFF), one = _mm512_set1_epi32(1);
  const auto rounded = [&](Vec a) {
    const __m512i bits = _mm512_castps_si512(a.v);
    return _mm512_add_epi32(_mm512_add_epi32(bits, half), _mm512_and_si512(_mm512_srli_epi32(bits, 16), one));
  };
  return _mm512_mask_blend_epi16(0xAAAAAAAAU, _mm512_srli_epi32(rounded(line.even), 16), rounded(line.odd));
}
inline void store_line(Bf16* p, Line line) { _mm512_storeu_si512(p, round_line(line)); }
inline void stream_line(Bf16* p, Line line) { _mm512_stream_si512(reinterpret_cast<__m512i*>(p), round_line(line)); }
inline Line load_line(const float* p) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512 low = _mm512_loadu_ps(p), high = _mm512_loadu_ps(p + kLanes);
  return {{_mm512_permutex2var_ps(low, even, high)},
          {_mm512_permutex2var_ps(low, _mm512_add_epi32(even, _mm512_set1_epi32(1)), high)}};
}
inline void store_line(float* p, Line line) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  _mm512_storeu_ps(p, _mm512_permutex2var_ps(line.even.v, low, line.odd.v));
  _mm512_storeu_ps(p + kLanes,
                   _mm512_permutex2var_ps(line.even.v, _mm512_add_epi32(low, _mm512_set1_epi32(8)), line.odd.v));
}
// Makes what was streamed visible to other threads before anything stored later.
inline void stream_end() { _mm_sfence(); }
inline Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }    // a * b + c
inline Vec fnma(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }  // c - a * b
// fma(a, b, sum), the sum staying in its register: with all registers in use, a compiler that may choose among the
// instruction's forms moves sums about and keeps some in memory.
inline Vec add_product(Vec sum, Vec a, Vec b) {
  __m512 register_of_sum = sum.v;
  asm("vfmadd231ps %2, %1, %0" : "+v"(register_of_sum) : "v"(a.v), "v"(b.v));
  return {register_of_sum};
}
inline Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
inline Vec abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
inline Vec round(Vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
// 2^a for integral a in [-126, 127].
inline Vec exp2_integer(Vec a) {
  return {
      _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(a.v), _mm512_set1_epi32(127)), 23))};
}
inline Mask operator<(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
inline Mask operator>(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
inline Mask is_nan(Vec a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
inline Mask operator&(Mask a, Mask b) { return {static_cast<__mmask16>(a.m & b.m)}; }
inline Mask operator|(Mask a, Mask b) { return {static_cast<__mmask16>(a.m | b.m)}; }
inline Vec select(Mask m, Vec yes, Vec no) { return {_mm512_mask_blend_ps(m.m, no.v, yes.v)}; }

#elif defined(CONVOY_ISA_avx2)

inline constexpr int kLanes = 8;
inline constexpr int kRegisters = 16;
struct Vec {
  __m256 v;
};
struct Mask {
  __m256 m;
};

inline __m256i lanes_below(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Vec zero() { return {_mm256_setzero_ps()}; }
inline Vec broadcast(float x) { return {_mm256_set1_ps(x)}; }
inline Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
inline void store(float* p, Vec a) { _mm256_storeu_ps(p, a.v); }
inline Vec load_n(const float* p, int n) { return {_mm256_maskload_ps(p, lanes_below(n))}; }
inline void store_n(float* p, Vec a, int n) { _mm256_maskstore_ps(p, lanes_below(n), a.v); }
inline void stream(float* p, Vec a) { _mm256_stream_ps(p, a.v); }
inline __m128i round_to_bf16(Vec a) {
  const __m256i bits = _mm256_castps_si256(a.v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
  const __m256i upper = _mm256_srli_epi32(rounded, 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}
inline Vec load(const Bf16* p) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16))};
}
inline void store(Bf16* p, Vec a) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), round_to_bf16(a)); }
inline Vec load_n(const Bf16* p, int n) {
  alignas(16) Bf16 lanes[kLanes];
  for (int i = 0; i < kLanes; ++i) lanes[i].bits = i < n ? p[i].bits : 0;
  return load(lanes);
}
inline void store_n(Bf16* p, Vec a, int n) {
  alignas(16) Bf16 lanes[kLanes];
  store(lanes, a);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
}
inline void stream(Bf16* p, Vec a) { _mm_stream_si128(reinterpret_cast<__m128i*>(p), round_to_bf16(a)); }
inline void stream_end() { _mm_sfence(); }
inline Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec fnma(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
inline Vec add_product(Vec sum, Vec a, Vec b) {
  __m256 register_of_sum = sum.v;
  asm("vfmadd231ps %2, %1, %0" : "+x"(register_of_sum) : "x"(a.v), "x"(b.v));
  return {register_of_sum};
}
inline Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
inline Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
inline Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.v)}; }
inline Vec abs(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0F), a.v)}; }
inline Vec round(Vec a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline Vec exp2_integer(Vec a) {
  return {
      _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(a.v), _mm256_set1_epi32(127)), 23))};
}
inline Mask operator<(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
inline Mask operator>(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
inline Mask is_nan(Vec a) { return {_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)}; }
inline Mask operator&(Mask a, Mask b) { return {_mm256_and_ps(a.m, b.m)}; }
inline Mask operator|(Mask a, Mask b) { return {_mm256_or_ps(a.m, b.m)}; }
inline Vec select(Mask m, Vec yes, Vec no) { return {_mm256_blendv_ps(no.v, yes.v, m.m)}; }

#else  // baseline: the compiler's own vectors, SSE2 on x86-64

inline constexpr int kLanes = 4;
inline constexpr int kRegisters = 16;
typedef float Floats __attribute__((vector_size(16)));
typedef int32_t Ints __attribute__((vector_size(16)));
struct Vec {
  Floats v;
};
struct Mask {
  Ints m;
};

inline Vec zero() { return {Floats{}}; }
inline Vec broadcast(float x) { return {Floats{x, x, x, x}}; }
inline Vec load(const float* p) {
  Vec a;
  __builtin_memcpy(&a.v, p, sizeof a.v);
  return a;
}
inline void store(float* p, Vec a) { __builtin_memcpy(p, &a.v, sizeof a.v); }
inline Vec load_n(const float* p, int n) {
  Vec a = zero();
  for (int i = 0; i < n; ++i) a.v[i] = p[i];
  return a;
}
inline void store_n(float* p, Vec a, int n) {
  for (int i = 0; i < n; ++i) p[i] = a.v[i];
}
inline void stream(float* p, Vec a) { store(p, a); }
inline Vec load(const Bf16* p) {
  Vec a;
  for (int i = 0; i < kLanes; ++i) a.v[i] = static_cast<float>(p[i]);
  return a;
}
inline void store(Bf16* p, Vec a) {
  for (int i = 0; i < kLanes; ++i) p[i] = Bf16(a.v[i]);
}
inline Vec load_n(const Bf16* p, int n) {
  Vec a = zero();
  for (int i = 0; i < n; ++i) a.v[i] = static_cast<float>(p[i]);
  return a;
}
inline void store_n(Bf16* p, Vec a, int n) {
  for (int i = 0; i < n; ++i) p[i] = Bf16(a.v[i]);
}
inline void stream(Bf16* p, Vec a) { store(p, a); }
inline void stream_end() {}
inline Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
inline Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
inline Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
inline Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {a.v * b.v + c.v}; }
inline Vec fnma(Vec a, Vec b, Vec c) { return {c.v - a.v * b.v}; }
inline Vec add_product(Vec sum, Vec a, Vec b) { return fma(a, b, sum); }
inline Mask operator<(Vec a, Vec b) { return {a.v < b.v}; }
inline Mask operator>(Vec a, Vec b) { return {a.v > b.v}; }
inline Mask is_nan(Vec a) { return {a.v != a.v}; }
inline Mask operator&(Mask a, Mask b) { return {a.m & b.m}; }
inline Mask operator|(Mask a, Mask b) { return {a.m | b.m}; }
inline Vec select(Mask m, Vec yes, Vec no) {
  return {reinterpret_cast<Floats>((m.m & reinterpret_cast<Ints>(yes.v)) | (~m.m & reinterpret_cast<Ints>(no.v)))};
}
inline Vec min(Vec a, Vec b) { return select(a < b, a, b); }
inline Vec max(Vec a, Vec b) { return select(a > b, a, b); }
inline Vec sqrt(Vec a) {
  for (int i = 0; i < kLanes; ++i) a.v[i] = __builtin_sqrtf(a.v[i]);
  return a;
}
inline Vec abs(Vec a) { return {reinterpret_cast<Floats>(reinterpret_cast<Ints>(a.v) & 0x7FFFFFFF)}; }
// To the nearest integer, halves to even, for |a| < 2^22.
inline Vec round(Vec a) {
  const Vec magic = broadcast(12582912.0F);
  return (a + magic) - magic;
}
inline Vec exp2_integer(Vec a) { return {reinterpret_cast<Floats>((__builtin_convertvector(a.v, Ints) + 127) << 23)}; }

#endif

// a * 2^n for integral n in [-252, 254]; subnormal results and infinity come out right.
inline Vec ldexp(Vec a, Vec n) {
#if defined(CONVOY_ISA_avx512)
  return {_mm512_scalef_ps(a.v, n.v)};
#else
  const Vec half = round(n * broadcast(0.5F));
  return a * exp2_integer(half) * exp2_integer(n - half);
#endif
}

// a - floor(a), and a * 2^floor(n) for n in [-252, 254].
inline Vec fraction(Vec a) {
#if defined(CONVOY_ISA_avx512)
  return {_mm512_reduce_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
#else
  return a - round(a - broadcast(0.5F));
#endif
}
inline Vec scale_by_floor(Vec a, Vec n) {
#if defined(CONVOY_ISA_avx512)
  return {_mm512_scalef_ps(a.v, n.v)};
#else
  return ldexp(a, round(n - broadcast(0.5F)));
#endif
}

// 1 / a to 2^-14.
inline Vec rough_reciprocal(Vec a) {
#if defined(CONVOY_ISA_avx512)
  return {_mm512_rcp14_ps(a.v)};
#else
  return broadcast(1.0F) / a;
#endif
}

// A loop over registers is written once for both kinds of register: whole ones, and the rest of `lanes` elements.
alignas(64) inline constexpr float kLaneIndex[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
struct WholeRegister {
  template <class Element>
  Vec load(const Element* p) const {
    return CONVOY_ISA::load(p);
  }
  template <class Element>
  void store(Element* p, Vec a) const {
    CONVOY_ISA::store(p, a);
  }
  Vec keep(Vec a) const { return a; }  // zero in the lanes left out
};
struct PartRegister {
  int lanes;
  template <class Element>
  Vec load(const Element* p) const {
    return load_n(p, lanes);
  }
  template <class Element>
  void store(Element* p, Vec a) const {
    store_n(p, a, lanes);
  }
  Vec keep(Vec a) const {
    return select(CONVOY_ISA::load(kLaneIndex) < broadcast(static_cast<float>(lanes)), a, zero());
  }
};

// The first n bytes as floats, and whole floats in [0, 255] as bytes; the same lanes as load_n and store_n.
inline Vec load_bytes(const uint8_t* p, int n) {
  float lanes[kLanes] = {};
  for (int i = 0; i < n; ++i) lanes[i] = static_cast<float>(p[i]);
  return load(lanes);
}
inline void store_bytes(uint8_t* p, Vec a, int n) {
  float lanes[kLanes];
  store(lanes, a);
  for (int i = 0; i < n; ++i) p[i] = static_cast<uint8_t>(lanes[i]);
}

// Sum of the lanes, pairwise: halves are added until one is left.
#if defined(CONVOY_ISA_avx512) || defined(CONVOY_ISA_avx2)
inline float reduce_add(__m256 a) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
#endif
inline float reduce_add(Vec a) {
#if defined(CONVOY_ISA_avx512)
  return reduce_add(_mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1)));
#elif defined(CONVOY_ISA_avx2)
  return reduce_add(a.v);
#else
  return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]);
#endif
}

inline float reduce_max(Vec a) {
  float lanes[kLanes];
  store(lanes, a);
  float best = lanes[0];
  for (int i = 1; i < kLanes; ++i) best = lanes[i] > best ? lanes[i] : best;
  return best;
}

template <class T>
constexpr T smaller(T a, T b) {
  return a < b ? a : b;
}
template <class T>
constexpr T larger(T a, T b) {
  return a > b ? a : b;
}
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
// Up to whole cache lines.
constexpr size_t align(size_t bytes) { return (bytes + 63) & ~size_t{63}; }

}  // namespace convoy::kernels::CONVOY_ISA
