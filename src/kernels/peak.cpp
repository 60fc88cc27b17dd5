#include "kernels/peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/parallel.h"
#include "kernels/dispatch.h"

CONVOY_DISPATCH(PeakKernels, peak_kernels)

namespace convoy::kernels {

double measure_peak() {
  constexpr int kTrials = 10;
  constexpr int64_t kRounds = 300000;
  const int threads = thread_count();
  std::vector<float> sinks(static_cast<size_t>(threads));
  double best = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<int64_t> done(sinks.size());
    const auto start = std::chrono::steady_clock::now();
    parallel_for(threads, [&](int64_t task, int) {
      const auto i = static_cast<size_t>(task);
      done[i] = peak_kernels().run(kRounds, &sinks[i]);
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    int64_t operations = 0;
    for (const int64_t count : done) operations += count;
    best = std::max(best, static_cast<double>(operations) / seconds);
  }
  return best;
}

}  // namespace convoy::kernels
