#include "core/parallel.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "convoy/error.h"

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

TEST(ParallelFor, ThrowsWhatTheFirstTaskThrewWhenAllAreDone) {
  std::atomic<int> done = 0;
  const auto body = [&](size_t task) {
    ++done;
    if (task % 3 == 2) throw Error(std::to_string(task));
  };
  try {
    parallel_for_throwing(10, body);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "2");
  }
  EXPECT_EQ(done, 10);
  EXPECT_NO_THROW(parallel_for_throwing(2, body));
}

TEST(ThreadTeam, IsTheOneOfTheInnermostScope) {
  set_thread_count(2);
  const ThreadTeamPtr three = ThreadTeam::make(3), four = ThreadTeam::make(4);
  EXPECT_EQ(thread_count(), 2);
  {
    const TeamScope outer(*three);
    EXPECT_EQ(thread_count(), 3);
    {
      const TeamScope inner(*four);
      EXPECT_EQ(current_team(), four);
      parallel_for(100, [&](int64_t, int) { EXPECT_EQ(thread_count(), 4); });
      std::thread([] { EXPECT_EQ(thread_count(), 2); }).join();
      set_thread_count(5);
      EXPECT_EQ(thread_count(), 4);
    }
    EXPECT_EQ(current_team(), three);
  }
  EXPECT_EQ(thread_count(), 5);
  EXPECT_EQ(team_of(0), current_team());
  EXPECT_EQ(team_of(7)->size(), 7);
}

// What is sized for a team is not overrun when the default changes, nor by another team at work.
TEST(ThreadTeam, EachKeepsToItsSize) {
  const auto work = [](int size) {
    const ThreadTeamPtr team = ThreadTeam::make(size);
    const TeamScope scope(*team);
    std::atomic<int> runs{0};
    for (int repeat = 0; repeat < 300; ++repeat) {
      set_thread_count(1 + repeat % 7);
      parallel_for(20, [&](int64_t, int worker) {
        EXPECT_LT(worker, size);
        ++runs;
      });
    }
    EXPECT_EQ(runs, 300 * 20);
  };
  std::thread one(work, 1), two(work, 2), three(work, 3);
  one.join();
  two.join();
  three.join();
}

TEST(ThreadTeam, WorksInAChildProcess) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the thread sanitizer starts no threads in a child";
#endif
  const ThreadTeamPtr team = ThreadTeam::make(3);
  const TeamScope scope(*team);
  std::atomic<int> runs{0};
  parallel_for(100, [&](int64_t, int) { ++runs; });
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    for (int repeat = 0; repeat < 100; ++repeat) parallel_for(100, [&](int64_t, int) { ++runs; });
    _exit(runs == 100 + 100 * 100 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  parallel_for(100, [&](int64_t, int) { ++runs; });
  EXPECT_EQ(runs, 200);
}

// Address space for the stacks of some threads, but not of all.
TEST(ParallelFor, TooManyThreadsGiveAnErrorAndFewerWorkAfterIt) {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t used = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
  if (used > rlim_t{1} << 40) GTEST_SKIP() << "a sanitizer takes the address space";
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  const rlimit small{.rlim_cur = used + (rlim_t{64} << 20), .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &small), 0);
  std::string message;
  set_thread_count(400);
  try {
    parallel_for(2, [](int64_t, int) {});
  } catch (const Error& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_AS, &before);
  EXPECT_TRUE(message.starts_with("threads: the system refuses thread ")) << message;
  EXPECT_TRUE(message.ends_with(" of 400; use fewer")) << message;
  set_thread_count(3);
  std::atomic<int> runs{0};
  parallel_for(1000, [&](int64_t, int) { ++runs; });
  EXPECT_EQ(runs, 1000);
}

}  // namespace
}  // namespace convoy
