// Worker threads for the kernels.
#pragma once

#include <cstdint>

namespace convoy {

// Sets how many threads parallel_for uses, the calling one included; 0: one for every processor that this process may
// run on. Not while a parallel_for runs.
void set_thread_count(int count);

// The number of threads in use.
int thread_count();

// Which of its tasks a thread takes first. A second sweep over the same data that goes backwards begins with what the
// first left in the caches.
enum class TaskOrder { forwards, backwards };

namespace detail {
void run_tasks(int64_t tasks, TaskOrder order, void (*body)(void* context, int64_t task, int worker), void* context);
}

// Calls body(task, worker) once for every task in [0, tasks), from several threads, and returns when all are done.
// worker is in [0, thread_count()) and tells which thread runs the task: use it to pick scratch memory, never to decide
// what is computed. Cut the work by the problem alone, so that results do not depend on the number of threads.
// A call from inside a task, or while another thread is inside parallel_for, runs its tasks in the calling thread.
// body must not throw. Throws Error when the system refuses a thread.
template <class Body>
void parallel_for(int64_t tasks, const Body& body, TaskOrder order = TaskOrder::forwards) {
  detail::run_tasks(
      tasks, order, [](void* context, int64_t task, int worker) { (*static_cast<const Body*>(context))(task, worker); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace convoy
