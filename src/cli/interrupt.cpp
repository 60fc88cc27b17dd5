#include "cli/interrupt.h"

#include <unistd.h>

#include <csignal>
#include <string_view>

namespace convoy::cli {
namespace {

std::atomic<bool> stop_requested{false};
std::atomic<bool> on_terminal{false};
std::atomic<bool> is_quiet{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

void request_stop(int) {
  // Below a bar that is being drawn, and the ^C of a terminal.
  constexpr std::string_view kNotice = "\nstopping after this step; once more stops at once\n";
  const std::string_view notice = kNotice.substr(on_terminal.load() ? 0 : 1);
  stop_requested.store(true);
  if (!is_quiet.load()) {
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, notice.data(), notice.size());
  }
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
  // Of those, launchers send several kinds to make sure.
  std::signal(SIGUSR1, SIG_IGN);
  // A terminal that goes away sends it twice, by the kernel and by the shell.
  std::signal(SIGHUP, SIG_IGN);
}

}  // namespace

Interrupt::Interrupt(bool quiet) {
  stop_requested.store(false);
  is_quiet.store(quiet);
  on_terminal.store(isatty(STDERR_FILENO) != 0);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) std::signal(signal, request_stop);
  hangup_ = std::signal(SIGHUP, request_stop);
  if (hangup_ == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
}

Interrupt::~Interrupt() {
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) std::signal(signal, SIG_DFL);
  std::signal(SIGHUP, hangup_);
}

const std::atomic<bool>& Interrupt::requested() const { return stop_requested; }

}  // namespace convoy::cli
