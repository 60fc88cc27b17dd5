#include "core/process.h"

#include <sys/resource.h>

namespace convoy {
namespace {

rusage usage_so_far() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

}  // namespace

double process_cpu_seconds() {
  const rusage usage = usage_so_far();
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

int64_t peak_resident_bytes() { return int64_t{1024} * usage_so_far().ru_maxrss; }

}  // namespace convoy
