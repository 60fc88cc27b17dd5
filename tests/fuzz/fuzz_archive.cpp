// Opens arbitrary bytes as an archive, and reads every file in it.
// Run: build/fuzz/tests/fuzz/fuzz_archive data
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "convoy/error.h"
#include "data/archive.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int file = memfd_create("fuzz", 0);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size)) return 0;
  try {
    constexpr size_t kMemoryLimit = size_t{1} << 24;
    const convoy::Archive archive(
        "/proc/self/fd/" + std::to_string(file), [](std::string_view) { return true; }, kMemoryLimit);
    for (const std::string& path : archive.paths()) archive.read(path);
  } catch (const convoy::Error&) {  // the one outcome allowed besides success
  }
  close(file);
  return 0;
}
