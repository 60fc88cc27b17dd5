// One register of 32-bit integers, or of as many pairs of 16-bit ones or fours of bytes.
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
// Wraps, as the other sets' instructions do: sums of rows that are of no use may be any.
inline IntVec operator+(IntVec a, IntVec b) {
  using Unsigned [[gnu::vector_size(sizeof(Ints))]] = uint32_t;
  return {reinterpret_cast<Ints>(reinterpret_cast<Unsigned>(a.v) + reinterpret_cast<Unsigned>(b.v))};
}
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

// The pairs {a[i], b[i]} of 4 * kLanes bytes, in an order that takes few instructions: lane `lane` of register `v` has
// those of byte lane_place(v, lane). sort_lanes gives registers of that order the order of the bytes.
constexpr int64_t lane_place(int64_t v, int64_t lane) { return lane / 4 * 16 + 4 * v + lane % 4; }

#if defined(CONVOY_ISA_avx512)
inline void pair_bytes(const uint8_t* a, const uint8_t* b, IntVec (&pairs)[4]) {
  const __m512i first = _mm512_loadu_si512(a), second = _mm512_loadu_si512(b), zeros = _mm512_setzero_si512();
  const __m512i low = _mm512_unpacklo_epi8(first, second), high = _mm512_unpackhi_epi8(first, second);
  pairs[0].v = _mm512_unpacklo_epi8(low, zeros);
  pairs[1].v = _mm512_unpackhi_epi8(low, zeros);
  pairs[2].v = _mm512_unpacklo_epi8(high, zeros);
  pairs[3].v = _mm512_unpackhi_epi8(high, zeros);
}
inline void sort_lanes(IntVec (&a)[4]) {
  const __m512i low = _mm512_shuffle_i32x4(a[0].v, a[1].v, 0x44), high = _mm512_shuffle_i32x4(a[0].v, a[1].v, 0xEE);
  const __m512i low2 = _mm512_shuffle_i32x4(a[2].v, a[3].v, 0x44), high2 = _mm512_shuffle_i32x4(a[2].v, a[3].v, 0xEE);
  a[0].v = _mm512_shuffle_i32x4(low, low2, 0x88);
  a[1].v = _mm512_shuffle_i32x4(low, low2, 0xDD);
  a[2].v = _mm512_shuffle_i32x4(high, high2, 0x88);
  a[3].v = _mm512_shuffle_i32x4(high, high2, 0xDD);
}
#elif defined(CONVOY_ISA_avx2)
inline void pair_bytes(const uint8_t* a, const uint8_t* b, IntVec (&pairs)[4]) {
  const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a));
  const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b));
  const __m256i low = _mm256_unpacklo_epi8(first, second), high = _mm256_unpackhi_epi8(first, second);
  const __m256i zeros = _mm256_setzero_si256();
  pairs[0].v = _mm256_unpacklo_epi8(low, zeros);
  pairs[1].v = _mm256_unpackhi_epi8(low, zeros);
  pairs[2].v = _mm256_unpacklo_epi8(high, zeros);
  pairs[3].v = _mm256_unpackhi_epi8(high, zeros);
}
inline void sort_lanes(IntVec (&a)[4]) {
  const IntVec b[4] = {a[0], a[1], a[2], a[3]};
  for (int i = 0; i < 2; ++i) {
    a[i].v = _mm256_permute2x128_si256(b[2 * i].v, b[2 * i + 1].v, 0x20);
    a[2 + i].v = _mm256_permute2x128_si256(b[2 * i].v, b[2 * i + 1].v, 0x31);
  }
}
#else
inline void pair_bytes(const uint8_t* a, const uint8_t* b, IntVec (&pairs)[4]) {
  for (int v = 0; v < 4; ++v) pairs[v] = pair_bytes(a + v * kLanes, b + v * kLanes);
}
inline void sort_lanes(IntVec (&)[4]) {}
#endif

// As load_bytes and store_bytes of some lanes (kernels/isa/simd.h), of whole registers.
inline Vec load_bytes(const uint8_t* p) {
#if defined(CONVOY_ISA_avx512)
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
#elif defined(CONVOY_ISA_avx2)
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadu_si64(p)))};
#else
  return load_bytes(p, kLanes);
#endif
}
inline void store_bytes(uint8_t* p, Vec a) {
#if defined(CONVOY_ISA_avx512)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a.v)));
#elif defined(CONVOY_ISA_avx2)
  const __m256i whole = _mm256_cvtps_epi32(a.v);
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storeu_si64(p, _mm_packus_epi16(words, words));
#else
  store_bytes(p, a, kLanes);
#endif
}

// The same of the part of a register that a loop is at (WholeRegister, PartRegister).
inline Vec load_bytes(const uint8_t* p, WholeRegister) { return load_bytes(p); }
inline Vec load_bytes(const uint8_t* p, PartRegister part) { return load_bytes(p, part.lanes); }
inline void store_bytes(uint8_t* p, Vec a, WholeRegister) { store_bytes(p, a); }
inline void store_bytes(uint8_t* p, Vec a, PartRegister part) { store_bytes(p, a, part.lanes); }

// The pairs or fours of a row of small numbers.
inline IntVec load_bits(const void* p) {
  IntVec a;
  __builtin_memcpy(&a.v, p, sizeof a.v);
  return a;
}
// The pair or four at p in every lane.
inline IntVec broadcast_bits(const void* p) {
  int32_t bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  return broadcast(bits);
}

// What bytes and weights of 8 bits are multiplied as, and how many products an instruction adds up in a lane: fours of
// bytes in the sets that have VNNI, else pairs of 16-bit numbers.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
using ByteFactor = uint8_t;
using WeightFactor = int8_t;
inline IntVec add_products(IntVec sum, IntVec bytes, IntVec weights) {
#if defined(CONVOY_ISA_avx512)
  return {_mm512_dpbusd_epi32(sum.v, bytes.v, weights.v)};
#else
  return {_mm256_dpbusd_avx_epi32(sum.v, bytes.v, weights.v)};
#endif
}
#else
using ByteFactor = int16_t;
using WeightFactor = int16_t;
inline IntVec add_products(IntVec sum, IntVec bytes, IntVec weights) { return sum + multiply_pairs(bytes, weights); }
#endif
inline constexpr int64_t kProducts = sizeof(int32_t) / sizeof(WeightFactor);

// Bytes as factors; no byte beyond them is touched.
inline void copy_factors(const uint8_t* from, int64_t count, ByteFactor* to) {
#if defined(__AVX512VNNI__)
  for (int64_t i = 0; i < count; i += 64) {
    const __mmask64 mask = ~uint64_t{0} >> (64 - smaller<int64_t>(64, count - i));
    _mm512_mask_storeu_epi8(to + i, mask, _mm512_maskz_loadu_epi8(mask, from + i));
  }
#else
  for (int64_t i = 0; i < count; ++i) to[i] = from[i];
#endif
}

// Of kChosen brain floats those whose byte is `sought`, and zeros in place of the others. streamed: stored around the
// caches, to whole lines or halves of them (stream_end()).
#if defined(CONVOY_ISA_avx512)
inline constexpr int64_t kChosen = 32;
inline void choose(const uint8_t* bytes, uint8_t sought, const Bf16* from, bool streamed, Bf16* to) {
  const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
  const __mmask32 chosen = _mm256_cmpeq_epi8_mask(all, _mm256_set1_epi8(static_cast<char>(sought)));
  const __m512i numbers = _mm512_maskz_loadu_epi16(chosen, from);
  streamed ? _mm512_stream_si512(reinterpret_cast<__m512i*>(to), numbers) : _mm512_storeu_si512(to, numbers);
}
#elif defined(CONVOY_ISA_avx2)
inline constexpr int64_t kChosen = 16;
inline void choose(const uint8_t* bytes, uint8_t sought, const Bf16* from, bool streamed, Bf16* to) {
  const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  const __m256i chosen = _mm256_cvtepi8_epi16(_mm_cmpeq_epi8(all, _mm_set1_epi8(static_cast<char>(sought))));
  const __m256i numbers = _mm256_and_si256(chosen, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  auto* const into = reinterpret_cast<__m256i*>(to);
  streamed ? _mm256_stream_si256(into, numbers) : _mm256_storeu_si256(into, numbers);
}
#else
inline constexpr int64_t kChosen = 16;
inline void choose(const uint8_t* bytes, uint8_t sought, const Bf16* from, bool, Bf16* to) {
  for (int64_t i = 0; i < kChosen; ++i) to[i] = bytes[i] == sought ? from[i] : Bf16();
}
#endif

}  // namespace convoy::kernels::CONVOY_ISA
