#include "kernels/peak.h"

#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Enough chains to hide the latency of two units, few enough to stay in registers.
constexpr int kChains = 12;

int64_t run(int64_t rounds, float* sink) {
  Vec sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = broadcast(static_cast<float>(i));
  const Vec factor = broadcast(0.9999F);
  const Vec term = broadcast(1e-3F);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sums[i] = fma(sums[i], factor, term);
  }
  Vec total = zero();
  for (int i = 0; i < kChains; ++i) total = total + sums[i];
  *sink = reduce_add(total);
  return rounds * kChains * kLanes * 2;
}

}  // namespace

const PeakKernels& peak_kernels() {
  static constexpr PeakKernels kTable{run};
  return kTable;
}

}  // namespace convoy::kernels::CONVOY_ISA
