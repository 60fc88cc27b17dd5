#include "core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace convoy {
namespace {

TEST(ParallelFor, RunsEveryTaskOnceForAnyNumberOfThreads) {
  for (const int threads : {1, 2, 3, 5}) {
    set_thread_count(threads);
    std::vector<int> runs(1000, 0);
    parallel_for(1000, [&](int64_t task, int worker) {
      EXPECT_LT(worker, threads);
      ++runs[static_cast<size_t>(task)];
    });
    EXPECT_EQ(runs, std::vector<int>(1000, 1)) << threads;
  }
}

TEST(ParallelFor, NestedAndConcurrentCallsComplete) {
  set_thread_count(3);
  std::atomic<int> inner{0};
  const auto nested = [&] {
    for (int repeat = 0; repeat < 200; ++repeat) {
      parallel_for(4, [&](int64_t, int) { parallel_for(5, [&](int64_t, int) { ++inner; }); });
    }
  };
  std::thread other(nested);
  nested();
  other.join();
  EXPECT_EQ(inner, 2 * 200 * 20);
}

}  // namespace
}  // namespace convoy
