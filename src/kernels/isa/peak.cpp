#include "kernels/peak.h"

#include "kernels/isa/integers.h"
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

int64_t run_bytes(int64_t rounds, float* sink) {
  IntVec sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = broadcast(i);
  const IntVec bytes = broadcast(0x01010101), weights = broadcast(0x00010001);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sums[i] = add_products(sums[i], bytes, weights);
  }
  IntVec total = zero_ints();
  for (int i = 0; i < kChains; ++i) total = total + sums[i];
  *sink = reduce_add(to_floats(total));
  return rounds * kChains * kLanes * kProducts * 2;
}

}  // namespace

const PeakKernels& peak_kernels() {
  static constexpr PeakKernels kTable{run, run_bytes};
  return kTable;
}

}  // namespace convoy::kernels::CONVOY_ISA
