#include "cli/interrupt.h"

#include <unistd.h>

#include <array>
#include <csignal>
#include <string_view>

namespace convoy::cli {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM};

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

void request_stop(int) {
  constexpr std::string_view kNotice = "\nstopping after this step; once more stops at once\n";
  stop_requested.store(true);
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kNotice.data(), kNotice.size());
  for (const int signal : kSignals) std::signal(signal, SIG_DFL);
}

}  // namespace

Interrupt::Interrupt() {
  stop_requested.store(false);
  for (const int signal : kSignals) std::signal(signal, request_stop);
}

Interrupt::~Interrupt() {
  for (const int signal : kSignals) std::signal(signal, SIG_DFL);
}

const std::atomic<bool>& Interrupt::requested() const { return stop_requested; }

}  // namespace convoy::cli
