#include "core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace convoy {
namespace {

TEST(ParallelFor, RunsEveryTaskOnceForAnyNumberOfThreads) {
  for (const int threads : {1, 2, 3, 5}) {
    for (const int64_t tasks : {2, 7, 1000}) {
      for (const TaskOrder order : {TaskOrder::forwards, TaskOrder::backwards}) {
        set_thread_count(threads);
        std::vector<int> runs(static_cast<size_t>(tasks), 0);
        parallel_for(
            tasks,
            [&](int64_t task, int worker) {
              EXPECT_LT(worker, threads);
              ++runs[static_cast<size_t>(task)];
            },
            order);
        EXPECT_EQ(runs, std::vector<int>(static_cast<size_t>(tasks), 1)) << threads;
      }
    }
  }
}

TEST(ParallelFor, OneThreadTakesItsTasksInTheOrderAskedFor) {
  set_thread_count(1);
  std::vector<int64_t> order;
  parallel_for(
      3, [&](int64_t task, int) { order.push_back(task); }, TaskOrder::backwards);
  EXPECT_EQ(order, (std::vector<int64_t>{2, 1, 0}));
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
