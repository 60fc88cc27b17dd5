// Transposes small blocks of floats in registers.
#pragma once

#include <cstdint>

#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {

// rows[i] becomes the i-th column: a block of kLanes x kLanes.
#if defined(CONVOY_ISA_avx512)

inline void transpose(Vec (&rows)[16]) {
  __m512 a[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(rows[i].v, rows[i + 1].v);
    a[i + 1] = _mm512_unpackhi_ps(rows[i].v, rows[i + 1].v);
  }
  // b[4g + j]: in each 128-bit lane l, column 4l + j of rows 4g .. 4g + 3.
  __m512 b[16];
  for (int g = 0; g < 16; g += 4) {
    b[g] = _mm512_shuffle_ps(a[g], a[g + 2], 0x44);
    b[g + 1] = _mm512_shuffle_ps(a[g], a[g + 2], 0xEE);
    b[g + 2] = _mm512_shuffle_ps(a[g + 1], a[g + 3], 0x44);
    b[g + 3] = _mm512_shuffle_ps(a[g + 1], a[g + 3], 0xEE);
  }
  for (int j = 0; j < 4; ++j) {
    const __m512 low01 = _mm512_shuffle_f32x4(b[j], b[4 + j], 0x44),
                 high01 = _mm512_shuffle_f32x4(b[j], b[4 + j], 0xEE);
    const __m512 low23 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0x44);
    const __m512 high23 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0xEE);
    rows[j].v = _mm512_shuffle_f32x4(low01, low23, 0x88);
    rows[4 + j].v = _mm512_shuffle_f32x4(low01, low23, 0xDD);
    rows[8 + j].v = _mm512_shuffle_f32x4(high01, high23, 0x88);
    rows[12 + j].v = _mm512_shuffle_f32x4(high01, high23, 0xDD);
  }
}

#elif defined(CONVOY_ISA_avx2)

inline void transpose(Vec (&rows)[8]) {
  __m256 a[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(rows[i].v, rows[i + 1].v);
    a[i + 1] = _mm256_unpackhi_ps(rows[i].v, rows[i + 1].v);
  }
  __m256 b[8];
  for (int g = 0; g < 8; g += 4) {
    b[g] = _mm256_shuffle_ps(a[g], a[g + 2], 0x44);
    b[g + 1] = _mm256_shuffle_ps(a[g], a[g + 2], 0xEE);
    b[g + 2] = _mm256_shuffle_ps(a[g + 1], a[g + 3], 0x44);
    b[g + 3] = _mm256_shuffle_ps(a[g + 1], a[g + 3], 0xEE);
  }
  for (int j = 0; j < 4; ++j) {
    rows[j].v = _mm256_permute2f128_ps(b[j], b[4 + j], 0x20);
    rows[4 + j].v = _mm256_permute2f128_ps(b[j], b[4 + j], 0x31);
  }
}

#else

inline void transpose(Vec (&rows)[kLanes]) {
  float from[kLanes][kLanes], to[kLanes][kLanes];
  for (int i = 0; i < kLanes; ++i) store(from[i], rows[i]);
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < kLanes; ++j) to[i][j] = from[j][i];
  }
  for (int i = 0; i < kLanes; ++i) rows[i] = load(to[i]);
}

#endif

}  // namespace convoy::kernels::CONVOY_ISA
