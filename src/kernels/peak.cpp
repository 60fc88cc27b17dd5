#include "kernels/peak.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "core/buffer.h"
#include "core/parallel.h"
#include "kernels/dispatch.h"

CONVOY_DISPATCH(PeakKernels, peak_kernels)

namespace convoy::kernels {

namespace avx2vnni {
const PeakKernels& peak_kernels();
}
namespace avx512vnni {
const PeakKernels& peak_kernels();
}
namespace amx {
// As PeakKernels', of products of tiles.
int64_t run_tiles(int64_t rounds, float* sink);
int64_t run_byte_tiles(int64_t rounds, float* sink);
}  // namespace amx

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double measure(int64_t (*run)(int64_t rounds, float* sink), int64_t rounds) {
  constexpr int kTrials = 10;
  const int threads = thread_count();
  std::vector<float> sinks(static_cast<size_t>(threads));
  double best = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<int64_t> done(sinks.size());
    const double start = now();
    parallel_for(threads, [&](int64_t task, int) {
      const auto i = static_cast<size_t>(task);
      done[i] = run(rounds, &sinks[i]);
    });
    const double seconds = now() - start;
    int64_t operations = 0;
    for (const int64_t count : done) operations += count;
    best = std::max(best, static_cast<double>(operations) / seconds);
  }
  return best;
}

}  // namespace

double measure_peak() { return measure(peak_kernels().run, 300000); }

double measure_tile_peak() {
#if defined(CONVOY_HAS_amx)
  if (has_matrix_tiles()) return measure(amx::run_tiles, 20000);
#endif
  return measure_peak();
}

double measure_byte_peak() {
  constexpr int64_t kRounds = 300000;
#if defined(CONVOY_HAS_amx)
  if (has_matrix_tiles()) return measure(amx::run_byte_tiles, 20000);
#endif
#if defined(CONVOY_HAS_avx512vnni)
  if (has_avx512_vnni()) return measure(avx512vnni::peak_kernels().run_bytes, kRounds);
#endif
#if defined(CONVOY_HAS_avx2vnni)
  if (has_avx2_vnni()) return measure(avx2vnni::peak_kernels().run_bytes, kRounds);
#endif
  return measure(peak_kernels().run_bytes, kRounds);
}

double measure_bandwidth() {
  constexpr int kTrials = 4;
  constexpr int64_t kBytes = int64_t{1} << 27, kPiece = int64_t{1} << 21;  // more than caches hold
  Buffer from(kBytes), into(kBytes);
  double best = 0;
  for (int trial = -1; trial < kTrials; ++trial) {  // the first touches the memory
    const double start = now();
    parallel_for(kBytes / kPiece, [&](int64_t piece, int) {
      const auto at = piece * kPiece;
      std::memcpy(into.data() + at, from.data() + at, kPiece);
    });
    if (trial >= 0) best = std::max(best, 2.0 * kBytes / (now() - start));
  }
  return best;
}

}  // namespace convoy::kernels
