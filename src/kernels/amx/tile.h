// Matrix tiles of brain floats and of bytes, and the order in which they lie in memory.
//
// A product takes a tile of 16 rows by 32 values of the reduction, and one of 16 pairs of values by 16 columns, in
// which the two values of a pair lie side by side; the result has 16 rows by 16 columns of floats. Of bytes there are
// 64 values in a row, and fours in place of pairs; the result are 32-bit integers. Each tile is 1 KiB.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "convoy/bf16.h"
#include "kernels/isa/simd.h"
#include "kernels/isa/transpose.h"

namespace convoy::kernels::CONVOY_ISA {

inline constexpr int64_t kTileRows = 16;
inline constexpr int64_t kTileDepth = 32;                         // values reduced by one product
inline constexpr int64_t kTileElements = kTileRows * kTileDepth;  // brain floats
inline constexpr int64_t kTileSums = kTileRows * kTileRows;       // floats of a result

// The same of any numbers, brain floats or bytes.
template <class Number>
inline constexpr int64_t kDepthOf = 64 / int64_t{sizeof(Number)};
template <class Number>
inline constexpr int64_t kElementsOf = kTileRows* kDepthOf<Number>;

// GCC does not see that the instructions of tiles read memory: what was written before is in memory then.
inline void finish_writing() { __asm__ volatile("" ::: "memory"); }

// The thread's tiles are 16 rows of 64 bytes while this lives.
class TileScope {
 public:
  TileScope() {
    alignas(64) struct {
      uint8_t palette = 1, start_row = 0;
      uint8_t reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } configuration;
    for (int tile = 0; tile < 8; ++tile) {
      configuration.row_bytes[tile] = 64;
      configuration.rows[tile] = kTileRows;
    }
    finish_writing();
    _tile_loadconfig(&configuration);
  }
  ~TileScope() { _tile_release(); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

// Whether the core is shared with another thread that is busy, as of the last millisecond. Alone, products are done as
// fast as the unit can, whose operands come from the second cache in time; a fetch ahead takes a fifth longer. Shared,
// the loads of tiles are three to four times slower, and fetches make them half as fast again. Uses the tiles, whose
// contents are of no use afterwards; results do not depend on it.
inline bool core_is_shared() {
  constexpr int kTries = 4, kRounds = 8;  // the unit takes some time to wake up
  // Of the time stamp counter: for a product, of which the unit needs 16; and about a millisecond.
  constexpr uint64_t kMostCycles = 28, kPeriod = 1 << 21;
  alignas(64) static constexpr uint8_t kRow[64] = {};
  thread_local uint64_t asked = 0;
  thread_local bool is_shared = false;
  if (__rdtsc() - asked < kPeriod) return is_shared;
  is_shared = true;
  for (int i = 0; i < kTries && is_shared; ++i) {
    _mm_lfence();
    const uint64_t begin = __rdtsc();
    for (int round = 0; round < kRounds; ++round) {
      _tile_loadd(6, kRow, 0);
      _tile_loadd(4, kRow, 0);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, kRow, 0);
      _tile_dpbf16ps(1, 4, 7);
      _tile_loadd(5, kRow, 0);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    _mm_lfence();
    asked = __rdtsc();
    is_shared = asked - begin > kRounds * 4 * kMostCycles;
  }
  return is_shared;
}

// Elements from the first step's tiles of rows and of columns to those of a step.
struct TileStep {
  int64_t rows, columns;
};

// Two by two tiles of sums, from `steps` tiles of rows and of columns for each; all distances in elements. Tiles of
// columns are kElementsOf apart. Bytes: rows unsigned, columns signed.
template <class Number>
struct TileProduct {
  const Number* rows;
  int64_t rows_pitch, rows_step, rows_half;
  const Number* columns;
  int64_t columns_half;
  int64_t steps;
  bool fetches = false;             // as core_is_shared()
  const TileStep* order = nullptr;  // where the tiles of each step are, in place of one behind the other
};

// The tiles 0 to 3 are the sums: [half of rows][half of columns], of which kColumns halves are used.
template <int kColumns = 2>
inline void clear_sums() {
  _tile_zero(0);
  _tile_zero(2);
  if constexpr (kColumns == 1) return;
  _tile_zero(1);
  _tile_zero(3);
}
template <int kColumns = 2, class Sum>
inline void load_sums(const Sum* sums, int64_t row_floats, int64_t rows_half, int64_t columns_half) {
  const auto stride = static_cast<size_t>(row_floats) * sizeof(float);
  finish_writing();
  _tile_loadd(0, sums, stride);
  _tile_loadd(2, sums + rows_half, stride);
  if constexpr (kColumns == 1) return;
  _tile_loadd(1, sums + columns_half, stride);
  _tile_loadd(3, sums + rows_half + columns_half, stride);
}
template <int kColumns = 2, class Sum>
inline void store_sums(Sum* sums, int64_t row_floats, int64_t rows_half, int64_t columns_half) {
  const auto stride = static_cast<size_t>(row_floats) * sizeof(float);
  _tile_stored(0, sums, stride);
  _tile_stored(2, sums + rows_half, stride);
  if constexpr (kColumns == 1) return;
  _tile_stored(1, sums + columns_half, stride);
  _tile_stored(3, sums + rows_half + columns_half, stride);
}
template <int kColumns = 2, bool kOrdered = false, class Number>
inline void multiply(const TileProduct<Number>& product) {
  // Steps from what is multiplied to what is fetched.
  constexpr int64_t kAhead = 2;
  constexpr bool kBytes = sizeof(Number) == 1;
  constexpr int64_t kElements = kElementsOf<Number>;
  const Number* rows = product.rows;
  const Number* columns = product.columns;
  const int64_t pitch = product.rows_pitch;
  const auto stride = static_cast<size_t>(pitch) * sizeof(Number);
  const auto fetch_tile = [](const Number* tile, int64_t row_pitch) {
#pragma GCC unroll 16
    for (int64_t row = 0; row < kTileRows; ++row) __builtin_prefetch(tile + row * row_pitch);
  };
  finish_writing();
  for (int64_t step = 0; step < product.steps; ++step, rows += product.rows_step, columns += kElements) {
    const bool fetches = product.fetches && step + kAhead < product.steps;
    const Number* next_rows = rows + kAhead * product.rows_step;
    const Number* next_columns = columns + kAhead * kElements;
    if constexpr (kOrdered) {
      const TileStep at = product.order[step], next = product.order[fetches ? step + kAhead : step];
      rows = product.rows + at.rows;
      columns = product.columns + at.columns;
      next_rows = product.rows + next.rows;
      next_columns = product.columns + next.columns;
    }
    _tile_loadd(6, columns, 64);
    _tile_loadd(4, rows, stride);
    if (fetches) fetch_tile(next_columns, kDepthOf<Number>);
    if constexpr (kBytes)
      _tile_dpbusd(0, 4, 6);
    else
      _tile_dpbf16ps(0, 4, 6);
    if constexpr (kColumns == 2) _tile_loadd(7, columns + product.columns_half, 64);
    if (fetches) fetch_tile(next_rows, pitch);
    if constexpr (kColumns == 2) {
      if constexpr (kBytes)
        _tile_dpbusd(1, 4, 7);
      else
        _tile_dpbf16ps(1, 4, 7);
    }
    _tile_loadd(5, rows + product.rows_half, stride);
    if (kColumns == 2 && fetches) fetch_tile(next_columns + product.columns_half, kDepthOf<Number>);
    if constexpr (kBytes)
      _tile_dpbusd(2, 5, 6);
    else
      _tile_dpbf16ps(2, 5, 6);
    if (fetches) fetch_tile(next_rows + product.rows_half, pitch);
    if constexpr (kColumns == 2) {
      if constexpr (kBytes)
        _tile_dpbusd(3, 5, 7);
      else
        _tile_dpbf16ps(3, 5, 7);
    }
  }
}

// 64 bytes of values of a row, the first n of them; the others are zero.
inline __m512i row_of(const uint8_t* from, int64_t n) {
  return _mm512_maskz_loadu_epi8(static_cast<__mmask64>(~uint64_t{0} >> (kDepthOf<uint8_t> - n)), from);
}
inline __m512i row_of(const Bf16* from, int64_t n) {
  return _mm512_maskz_loadu_epi16(static_cast<__mmask32>((uint64_t{1} << n) - 1U), from);
}
inline __m512i row_of(const float* from, int64_t n) {
  const auto first = static_cast<int>(smaller<int64_t>(n, kLanes));
  const auto second = static_cast<int>(larger<int64_t>(n - kLanes, 0));
  return reinterpret_cast<__m512i>(
      _mm512_cvtne2ps_pbh(load_n(from + (second > 0 ? kLanes : 0), second).v, load_n(from, first).v));
}

// n values, at most 64 bytes of them; what is stored behind them is of no use.
template <class Number, class Source>
inline void store_some(Number* to, const Source* from, int64_t n) {
  _mm512_storeu_si512(to, row_of(from, n));
}
inline void store_some(uint8_t* to, const uint8_t* from, int64_t n) {
  if (n > 16) return _mm512_storeu_si512(to, row_of(from, n));
  const auto mask = static_cast<__mmask16>((1U << n) - 1U);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_maskz_loadu_epi8(mask, from));
}

template <class Number>
inline void store_row(Number* to, __m512i row) {
  _mm512_store_si512(to, row);
}

// Pairs (first[i], second[i]), of the values 0 to 15 and 16 to 31.
struct Pairs {
  __m512i low, high;
};
inline Pairs interleave(__m512i first, __m512i second) {
  alignas(64) static constexpr uint16_t kLow[] = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                                  8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  const __m512i low = _mm512_load_si512(kLow), high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  return {_mm512_permutex2var_epi16(first, low, second), _mm512_permutex2var_epi16(first, high, second)};
}

// Two tiles of columns from 32 rows of the reduction, 32 columns of which the first n are there: row(i) gives the
// address of the i-th row, null for zeros. store(pair, low, high) takes a row of each tile.
template <class Row, class Store>
inline void each_pair_of_rows(const Row& row, int64_t n, const Store& store) {
  for (int pair = 0; pair < kTileRows; ++pair) {
    const auto *first = row(2 * pair), *second = row(2 * pair + 1);
    const Pairs pairs = interleave(first == nullptr ? _mm512_setzero_si512() : row_of(first, n),
                                   second == nullptr ? _mm512_setzero_si512() : row_of(second, n));
    store(pair, pairs.low, pairs.high);
  }
}
template <class Row>
inline void pack_columns(const Row& row, int64_t n, Bf16* low, Bf16* high) {
  each_pair_of_rows(row, n, [&](int pair, __m512i first, __m512i second) {
    store_row(low + pair * kTileDepth, first);
    store_row(high + pair * kTileDepth, second);
  });
}

// 16 x 16 pairs, turned: what would be a tile of columns becomes one of rows, and the other way round.
inline void transpose_pairs(Bf16* tile) {
  Vec rows[kTileRows];
  for (int i = 0; i < kTileRows; ++i) rows[i].v = _mm512_castsi512_ps(_mm512_load_si512(tile + i * kTileDepth));
  transpose(rows);
  for (int i = 0; i < kTileRows; ++i) store_row(tile + i * kTileDepth, _mm512_castps_si512(rows[i].v));
}

// The same two tiles, turned.
template <class Row>
inline void pack_rows(const Row& row, int64_t n, Bf16* low, Bf16* high) {
  Vec rows[kTileRows];
  each_pair_of_rows(row, n, [&](int pair, __m512i first, __m512i second) {
    rows[pair].v = _mm512_castsi512_ps(first);
    store_row(high + pair * kTileDepth, second);
  });
  transpose(rows);
  for (int i = 0; i < kTileRows; ++i) store_row(low + i * kTileDepth, _mm512_castps_si512(rows[i].v));
  transpose_pairs(high);
}

}  // namespace convoy::kernels::CONVOY_ISA
