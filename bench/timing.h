// What the benches of kernels share.
#pragma once

#include <algorithm>
#include <chrono>

namespace convoy::kernels {

// Seconds of the fastest call: of those that fit into `budget` seconds, and of three at least.
template <class Body>
double best_seconds(double budget, const Body& body) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  double best = 1e30;
  for (int run = 0; run < 3 || std::chrono::duration<double>(Clock::now() - start).count() < budget; ++run) {
    const auto begin = Clock::now();
    body();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

}  // namespace convoy::kernels
