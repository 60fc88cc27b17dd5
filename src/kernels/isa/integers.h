// One register of 32-bit integers, or of pairs of 16-bit ones; kLanes of either.
#pragma once

#include "kernels/isa/simd.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace convoy::kernels::CONVOY_ISA {

#if defined(CONVOY_ISA_avx512)

struct IntVec {
  __m512i v;
};

inline IntVec zero_ints() { return {_mm512_setzero_si512()}; }
inline IntVec load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
inline void store(int32_t* p, IntVec a) { _mm512_storeu_si512(p, a.v); }
inline IntVec broadcast(int32_t x) { return {_mm512_set1_epi32(x)}; }
inline IntVec operator+(IntVec a, IntVec b) { return {_mm512_add_epi32(a.v, b.v)}; }
// Of every pair: a[0] * b[0] + a[1] * b[1].
inline IntVec multiply_pairs(IntVec a, IntVec b) { return {_mm512_madd_epi16(a.v, b.v)}; }
inline Vec to_floats(IntVec a) { return {_mm512_cvtepi32_ps(a.v)}; }
// The pairs {a[i], b[i]} of kLanes bytes.
inline IntVec pair_bytes(const uint8_t* a, const uint8_t* b) {
  const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
  const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
  return {_mm512_cvtepu8_epi16(_mm256_set_m128i(_mm_unpackhi_epi8(first, second), _mm_unpacklo_epi8(first, second)))};
}

#elif defined(CONVOY_ISA_avx2)

struct IntVec {
  __m256i v;
};

inline IntVec zero_ints() { return {_mm256_setzero_si256()}; }
inline IntVec load(const int32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
inline void store(int32_t* p, IntVec a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v); }
inline IntVec broadcast(int32_t x) { return {_mm256_set1_epi32(x)}; }
inline IntVec operator+(IntVec a, IntVec b) { return {_mm256_add_epi32(a.v, b.v)}; }
inline IntVec multiply_pairs(IntVec a, IntVec b) { return {_mm256_madd_epi16(a.v, b.v)}; }
inline Vec to_floats(IntVec a) { return {_mm256_cvtepi32_ps(a.v)}; }
inline IntVec pair_bytes(const uint8_t* a, const uint8_t* b) {
  return {_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(_mm_loadu_si64(a), _mm_loadu_si64(b)))};
}

#else  // baseline

struct IntVec {
  Ints v;
};

inline IntVec zero_ints() { return {Ints{}}; }
inline IntVec load(const int32_t* p) {
  IntVec a;
  __builtin_memcpy(&a.v, p, sizeof a.v);
  return a;
}
inline void store(int32_t* p, IntVec a) { __builtin_memcpy(p, &a.v, sizeof a.v); }
inline IntVec broadcast(int32_t x) { return {Ints{x, x, x, x}}; }
inline IntVec operator+(IntVec a, IntVec b) { return {a.v + b.v}; }
inline IntVec multiply_pairs(IntVec a, IntVec b) {
#if defined(__SSE2__)
  return {reinterpret_cast<Ints>(_mm_madd_epi16(reinterpret_cast<__m128i>(a.v), reinterpret_cast<__m128i>(b.v)))};
#else
  return {(a.v << 16 >> 16) * (b.v << 16 >> 16) + (a.v >> 16) * (b.v >> 16)};
#endif
}
inline Vec to_floats(IntVec a) { return {__builtin_convertvector(a.v, Floats)}; }
inline IntVec pair_bytes(const uint8_t* a, const uint8_t* b) {
  IntVec pairs;
  for (int i = 0; i < kLanes; ++i) pairs.v[i] = a[i] | b[i] << 16;
  return pairs;
}

#endif

// The pairs of a row of 16-bit numbers.
inline IntVec load_pairs(const int16_t* p) {
  IntVec a;
  __builtin_memcpy(&a.v, p, sizeof a.v);
  return a;
}
// The pair at p in every lane.
inline IntVec broadcast_pair(const int16_t* p) {
  int32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return broadcast(pair);
}

}  // namespace convoy::kernels::CONVOY_ISA
