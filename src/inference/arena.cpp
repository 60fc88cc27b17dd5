#include "inference/arena.h"

#include <fmt/format.h>

#include "convoy/error.h"

namespace convoy {

size_t require_memory(size_t bytes, std::string_view what, const MemoryAdvice& advice) {
  const size_t available = available_memory();
  if (bytes <= available) return available;
  constexpr double kGibibyte = 1 << 30;
  throw MemoryError(fmt::format("{} needs {:.2f} GiB more memory, but {:.2f} GiB are available; {}", what,
                                static_cast<double>(bytes) / kGibibyte, static_cast<double>(available) / kGibibyte,
                                advice ? advice(available) : "use a smaller batch or smaller images"));
}

Buffer make_arena(size_t bytes, std::string_view what) {
  require_memory(bytes, what);
  return Buffer(bytes);
}

}  // namespace convoy
