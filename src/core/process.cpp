#include "core/process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <initializer_list>

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

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");  // in pages: all, and what is resident
  int64_t all = 0, resident = 0;
  return file >> all >> resident ? resident * sysconf(_SC_PAGESIZE) : 0;
}

bool open_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // The lowest free descriptor is the one that is given out.
    if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", O_RDWR) != descriptor) return false;
  }
  return true;
}

bool allow_open_files(uint64_t more) {
  constexpr uint64_t kOthers = 256;  // that are open already, or will be
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < more + kOthers) return false;
  if (limit.rlim_cur >= more + kOthers) return true;
  limit.rlim_cur = more + kOthers;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

}  // namespace convoy
