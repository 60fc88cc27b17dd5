#include "core/parallel.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "convoy/error.h"
#include "core/control_group.h"

namespace convoy {
namespace {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

thread_local bool inside = false;  // this thread is running tasks: a nested call stays in it

// How often a thread looks for work before it sleeps: about 50 microseconds, longer than the gap between two kernels.
constexpr int kSpins = 2000;

// The tasks of a run fall to the threads in equal shares, in order: a map that one kernel writes and the next one reads
// is cut alike, so that a thread finds much of what it reads in its own caches.
struct alignas(64) Share {
  std::atomic<int64_t> taken{0};
};

int64_t in_order(TaskOrder order, int64_t task, int64_t count) {
  return order == TaskOrder::forwards ? task : count - 1 - task;
}

class Pool {
 public:
  explicit Pool(int threads) : threads_(threads), shares_(static_cast<size_t>(threads)) {
    int worker = 1;
    try {
      for (; worker < threads; ++worker) workers_.emplace_back([this, worker] { serve(worker); });
    } catch (const std::exception&) {
      stop();
      throw Error(fmt::format("threads: the system refuses thread {} of {}; use fewer", worker + 1, threads));
    }
  }
  ~Pool() { stop(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return threads_; }

  void run(int64_t tasks, TaskOrder order, void (*body)(void*, int64_t, int), void* context) {
    body_ = body;
    context_ = context;
    tasks_ = tasks;
    order_ = order;
    for (Share& share : shares_) share.taken.store(0, std::memory_order_relaxed);
    busy_.store(threads_ - 1, std::memory_order_relaxed);
    generation_.fetch_add(1);
    generation_.notify_all();
    take(0);
    for (int spins = 0; busy_.load(std::memory_order_acquire) != 0; ++spins) {
      if (spins < kSpins) {
        relax();
      } else {
        std::this_thread::yield();
      }
    }
  }

 private:
  // The worker's own share of consecutive tasks, then what is left of the others'.
  void take(int worker) {
    for (int i = 0; i < threads_; ++i) {
      const int owner = (worker + i) % threads_;
      const int64_t first = tasks_ * owner / threads_, count = tasks_ * (owner + 1) / threads_ - first;
      std::atomic<int64_t>& taken = shares_[static_cast<size_t>(owner)].taken;
      for (int64_t task; (task = taken.fetch_add(1, std::memory_order_relaxed)) < count;) {
        body_(context_, first + in_order(order_, task, count), worker);
      }
    }
  }

  void serve(int worker) {
    inside = true;
    uint32_t seen = 0;
    while (true) {
      int spins = 0;
      while (generation_.load(std::memory_order_acquire) == seen) {
        if (++spins < kSpins) {
          relax();
        } else {
          generation_.wait(seen, std::memory_order_acquire);
        }
      }
      ++seen;
      if (stop_.load()) return;
      take(worker);
      busy_.fetch_sub(1, std::memory_order_release);
    }
  }

  void stop() {
    stop_.store(true);
    generation_.fetch_add(1);
    generation_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  const int threads_;
  std::vector<std::thread> workers_;
  std::atomic<uint32_t> generation_{0};
  std::vector<Share> shares_;
  std::atomic<int> busy_{0};
  std::atomic<bool> stop_{false};
  int64_t tasks_ = 0;
  TaskOrder order_ = TaskOrder::forwards;
  void (*body_)(void*, int64_t, int) = nullptr;
  void* context_ = nullptr;
};

int allowed_processors() {
  cpu_set_t set;
  const bool known = sched_getaffinity(0, sizeof set, &set) == 0;
  const int processors = known ? CPU_COUNT(&set) : static_cast<int>(std::thread::hardware_concurrency());
  return std::max(1, std::min(processors, quota_processors()));
}

std::mutex pool_mutex;
std::unique_ptr<Pool> pool;
std::atomic<int> wanted_threads{0};

}  // namespace

void set_thread_count(int count) { wanted_threads.store(std::max(0, count)); }

int thread_count() {
  if (wanted_threads.load() == 0) wanted_threads.store(allowed_processors());
  return wanted_threads.load();
}

void detail::run_tasks(int64_t tasks, TaskOrder order, void (*body)(void*, int64_t, int), void* context) {
  if (tasks <= 0) return;
  const int threads = thread_count();
  std::unique_lock lock(pool_mutex, std::defer_lock);
  if (tasks == 1 || threads == 1 || inside || !lock.try_lock()) {
    for (int64_t task = 0; task < tasks; ++task) body(context, in_order(order, task, tasks), 0);
    return;
  }
  if (!pool || pool->threads() != threads) {
    pool.reset();
    pool = std::make_unique<Pool>(threads);
  }
  inside = true;
  pool->run(tasks, order, body, context);
  inside = false;
}

}  // namespace convoy
