#include "core/buffer.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
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

// A virtual machine's free huge pages are those that its host has taken back first. The host gives each again in 512
// small ones, in milliseconds, and translates no fewer addresses for it. Small pages, of which the machine still has
// some, come sooner then: 2 of every 64 MiB are touched to find out.
void choose(Pages pages, std::byte* memory, size_t bytes) {
#if defined(MADV_HUGEPAGE)
  constexpr size_t kHugePage = size_t{2} << 20, kBytesPerTrial = size_t{64} << 20;
  constexpr std::chrono::milliseconds kTooLong{1};
  madvise(memory, bytes, pages == Pages::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  if (pages == Pages::small) return;
  std::byte* page = memory + (kHugePage - reinterpret_cast<uintptr_t>(memory) % kHugePage) % kHugePage;
  for (size_t trial = 0; trial < bytes / kBytesPerTrial; ++trial, page += kHugePage) {
    const auto begin = std::chrono::steady_clock::now();
    *static_cast<volatile std::byte*>(page) = std::byte{0};
    if (std::chrono::steady_clock::now() - begin > kTooLong) {
      madvise(memory, bytes, MADV_NOHUGEPAGE);
      return;
    }
  }
#endif
}

}  // namespace

Buffer::Buffer(size_t bytes, Pages pages) : size_(bytes) {
  if (bytes == 0) return;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw MemoryError(fmt::format("memory: the system refuses {:.2f} GiB; use a smaller batch or image",
                                  static_cast<double>(bytes) / (1 << 30)));
  }
  data_ = static_cast<std::byte*>(memory);
  choose(pages, data_, bytes);
  release_ = [](std::byte* data, size_t size) { munmap(data, size); };
}

Buffer::~Buffer() {
  if (data_ != nullptr) release_(data_, size_);
}

size_t available_memory() { return std::min(memory_below_limit(), system_available()); }

}  // namespace convoy
