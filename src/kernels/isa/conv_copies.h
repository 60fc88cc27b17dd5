// Weight gradients whose pixels are split among tasks, each with a copy of the sums.
#pragma once

#include "core/parallel.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {

// result[i] = sum over splits of copies[split][i], in the order of the splits.
inline void add_copies(const float* copies, int64_t splits, int64_t stride, int64_t count, float* result) {
  constexpr int64_t kPiece = 4096;
  parallel_for(ceil_div(count, kPiece), [&](int64_t piece, int) {
    const int64_t end = smaller(count, (piece + 1) * kPiece);
    for (int64_t i = piece * kPiece; i < end; i += kLanes) {
      const int lanes = static_cast<int>(smaller<int64_t>(kLanes, end - i));
      Vec sum = load_n(copies + i, lanes);
      for (int64_t split = 1; split < splits; ++split) sum = sum + load_n(copies + split * stride + i, lanes);
      store_n(result + i, sum, lanes);
    }
  });
}

}  // namespace convoy::kernels::CONVOY_ISA
