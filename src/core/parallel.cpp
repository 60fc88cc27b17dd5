#include "core/parallel.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
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

thread_local ThreadTeam* scoped_team = nullptr;  // of the innermost TeamScope, or the one that a worker belongs to
thread_local bool inside = false;                // this thread is running tasks: a nested call stays in it

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

int allowed_processors() {
  cpu_set_t set;
  const bool known = sched_getaffinity(0, sizeof set, &set) == 0;
  const int processors = known ? CPU_COUNT(&set) : static_cast<int>(std::thread::hardware_concurrency());
  return std::max(1, std::min(processors, quota_processors()));
}

std::mutex default_team_mutex;
ThreadTeamPtr default_team;

// The number of fork() calls between the first process and this one: a child has none of its parent's threads.
std::atomic<uint32_t> forks{0};

uint32_t counted_forks() {
  static const int registered = ::pthread_atfork([] { default_team_mutex.lock(); }, [] { default_team_mutex.unlock(); },
                                                 [] {
                                                   default_team_mutex.unlock();
                                                   forks.fetch_add(1);
                                                 });
  static_cast<void>(registered);
  return forks.load();
}

}  // namespace

class ThreadTeam::Workers {
 public:
  explicit Workers(ThreadTeam& team) : threads_(team.size()), shares_(static_cast<size_t>(threads_)) {
    int worker = 1;
    try {
      for (; worker < threads_; ++worker) workers_.emplace_back([this, &team, worker] { serve(team, worker); });
    } catch (const std::exception&) {
      stop();
      throw MemoryError(fmt::format("threads: the system refuses thread {} of {}; use fewer", worker + 1, threads_));
    }
  }
  ~Workers() { stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

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

  void serve(ThreadTeam& team, int worker) {
    scoped_team = &team;
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

struct ThreadTeam::Access {
  std::mutex mutex;  // who holds it has the workers
  std::unique_ptr<Workers> workers;
  uint32_t forks = 0;  // when the workers were started
};

ThreadTeam::ThreadTeam(int size) : size_(size > 0 ? size : allowed_processors()), access_(std::make_unique<Access>()) {}

ThreadTeamPtr ThreadTeam::make(int size) { return ThreadTeamPtr(new ThreadTeam(size)); }

ThreadTeam::~ThreadTeam() {
  if (access_->forks != counted_forks()) static_cast<void>(access_->workers.release());  // they are the parent's
}

void ThreadTeam::run(int64_t tasks, TaskOrder order, void (*body)(void*, int64_t, int), void* context) {
  if (tasks <= 0) return;
  std::unique_lock lock(access_->mutex, std::defer_lock);
  if (tasks == 1 || size_ == 1 || inside || !lock.try_lock()) {
    for (int64_t task = 0; task < tasks; ++task) body(context, in_order(order, task, tasks), 0);
    return;
  }
  if (const uint32_t now = counted_forks(); access_->forks != now) {
    static_cast<void>(access_->workers.release());
    access_->forks = now;
  }
  if (!access_->workers) access_->workers = std::make_unique<Workers>(*this);
  inside = true;
  access_->workers->run(tasks, order, body, context);
  inside = false;
}

ThreadTeamPtr current_team() {
  if (scoped_team != nullptr) return scoped_team->shared_from_this();
  const std::scoped_lock lock(default_team_mutex);
  if (!default_team) default_team = ThreadTeam::make();
  return default_team;
}

int thread_count() { return scoped_team != nullptr ? scoped_team->size() : current_team()->size(); }

ThreadTeamPtr team_of(int64_t threads) {
  return threads > 0 ? ThreadTeam::make(static_cast<int>(threads)) : current_team();
}

void set_thread_count(int count) {
  ThreadTeamPtr team = ThreadTeam::make(count);
  const std::scoped_lock lock(default_team_mutex);
  default_team.swap(team);
}

TeamScope::TeamScope(ThreadTeam& team) : before_(std::exchange(scoped_team, &team)) {}
TeamScope::~TeamScope() { scoped_team = before_; }

void detail::run_tasks(int64_t tasks, TaskOrder order, void (*body)(void*, int64_t, int), void* context) {
  if (scoped_team != nullptr) return scoped_team->run(tasks, order, body, context);
  current_team()->run(tasks, order, body, context);
}

void parallel_for_throwing(size_t tasks, const std::function<void(size_t task)>& body) {
  std::vector<std::exception_ptr> errors(tasks);
  parallel_for(static_cast<int64_t>(tasks), [&](int64_t i, int) {
    const auto task = static_cast<size_t>(i);
    try {
      body(task);
    } catch (...) {
      errors[task] = std::current_exception();
    }
  });
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace convoy
