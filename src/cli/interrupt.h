// Ctrl-C while something runs that should end in good order.
#pragma once

#include <atomic>
#include <csignal>

namespace convoy::cli {

// What a shell reports of a process that Ctrl-C ended.
inline constexpr int kInterrupted = 128 + SIGINT;

// While one lives, the first SIGINT or SIGTERM sets requested() and says so on standard error; the second ends the
// process at once. At most one at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  const std::atomic<bool>& requested() const;
};

}  // namespace convoy::cli
