// Teams of threads, and loops that they share.
//
// Whoever computes does so with a team: that of the innermost TeamScope around the call, or else the process's default
// one. Scratch memory that is sized for a team is used with that team.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace convoy {

// Which of its tasks a thread takes first. A second sweep over the same data that goes backwards begins with what the
// first left in the caches.
enum class TaskOrder { forwards, backwards };

// The calling thread and size() - 1 workers, which start with the first tasks and wait between them. One thread at a
// time has the workers; another one that comes meanwhile runs its tasks alone. In a child after fork() new ones start.
class ThreadTeam : public std::enable_shared_from_this<ThreadTeam> {
 public:
  // 0: one thread for every processor that this process may run on.
  static std::shared_ptr<ThreadTeam> make(int size = 0);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return size_; }

  // See parallel_for.
  void run(int64_t tasks, TaskOrder order, void (*body)(void* context, int64_t task, int worker), void* context);

 private:
  class Workers;
  struct Access;

  explicit ThreadTeam(int size);

  const int size_;
  const std::unique_ptr<Access> access_;
};

using ThreadTeamPtr = std::shared_ptr<ThreadTeam>;

// The calling thread's team.
ThreadTeamPtr current_team();
// How many threads it has.
int thread_count();

// A new team of that many threads; 0: the current one.
ThreadTeamPtr team_of(int64_t threads);

// Replaces the default team by one of that many threads; 0: of one for every processor. Who has the former one keeps
// it.
void set_thread_count(int count);

// Makes a team the calling thread's for as long as this lives, which may not outlive the team.
class TeamScope {
 public:
  explicit TeamScope(ThreadTeam& team);
  ~TeamScope();
  TeamScope(const TeamScope&) = delete;
  TeamScope& operator=(const TeamScope&) = delete;

 private:
  ThreadTeam* const before_;
};

namespace detail {
void run_tasks(int64_t tasks, TaskOrder order, void (*body)(void* context, int64_t task, int worker), void* context);
}

// Calls body(task, worker) once for every task in [0, tasks), from the threads of the current team, and returns when
// all are done. worker is in [0, thread_count()) and tells which thread runs the task: use it to pick scratch memory,
// never to decide what is computed. Cut the work by the problem alone, so that results do not depend on the number of
// threads. A call from inside a task runs its tasks in the calling thread. body must not throw. Throws Error when the
// system refuses a thread.
template <class Body>
void parallel_for(int64_t tasks, const Body& body, TaskOrder order = TaskOrder::forwards) {
  detail::run_tasks(
      tasks, order, [](void* context, int64_t task, int worker) { (*static_cast<const Body*>(context))(task, worker); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// The same for a body(task) that may throw: what the first of the tasks that did has thrown is thrown when all are
// done.
void parallel_for_throwing(size_t tasks, const std::function<void(size_t task)>& body);

}  // namespace convoy
