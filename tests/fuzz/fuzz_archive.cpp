// Opens arbitrary bytes as an archive, tar or zip, and as a dataset, and reads every file in it.
// Seeds: data
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "convoy/error.h"
#include "data/archive.h"
#include "data/dataset.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int file = memfd_create("fuzz", 0);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size)) return 0;
  try {
    constexpr size_t kMemoryLimit = size_t{1} << 24;
    const std::string archive_file = "/proc/self/fd/" + std::to_string(file);
    const convoy::Archive archive(
        archive_file, [](std::string_view) { return true; }, kMemoryLimit);
    for (const std::string& path : archive.paths()) {
      try {
        archive.read(path);
      } catch (const convoy::Error&) {
      }
    }
    const convoy::DatasetPtr images = convoy::open_train_val(archive_file, convoy::BadFolder::problem).train;
    for (int64_t i = 0; i < images->size(); ++i) images->encoded(i);
  } catch (const convoy::Error&) {  // the one outcome allowed besides success
  }
  close(file);
  return 0;
}
