#include "core/buffer.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "convoy/error.h"
#include "core/control_group.h"

namespace convoy {
namespace {

size_t system_available() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  for (size_t kilobytes = 0; file >> key >> kilobytes; std::getline(file, unit)) {
    if (key == "MemAvailable:") return kilobytes * 1024;
  }
  return std::numeric_limits<size_t>::max();
}

}  // namespace

Buffer::Buffer(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw MemoryError(fmt::format("memory: the system refuses {:.2f} GiB; use a smaller batch or image",
                                  static_cast<double>(bytes) / (1 << 30)));
  }
#if defined(MADV_HUGEPAGE)
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  data_ = static_cast<std::byte*>(memory);
  release_ = [](std::byte* data, size_t size) { munmap(data, size); };
}

Buffer::~Buffer() {
  if (data_ != nullptr) release_(data_, size_);
}

size_t available_memory() { return std::min(memory_below_limit(), system_available()); }

}  // namespace convoy
