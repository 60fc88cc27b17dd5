// Ctrl-C, and other requests to stop, while something runs that should end in good order.
#pragma once

#include <atomic>
#include <csignal>

namespace convoy::cli {

// What a shell reports of a process that Ctrl-C ended.
inline constexpr int kInterrupted = 128 + SIGINT;

// While one lives, the first SIGINT, SIGTERM, SIGHUP or SIGUSR1, which Slurm and mpirun pass on, sets requested() and
// says so on standard error, unless it is to be quiet; a second SIGINT or SIGTERM ends the process at once. SIGHUP
// stays without effect where it was ignored at the start, as nohup has it. At most one at a time.
class Interrupt {
 public:
  explicit Interrupt(bool quiet = false);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  const std::atomic<bool>& requested() const;

 private:
  void (*hangup_)(int);  // what SIGHUP did before
};

}  // namespace convoy::cli
