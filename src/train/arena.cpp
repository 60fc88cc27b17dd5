#include "train/arena.h"

#include <fmt/format.h>

#include "convoy/error.h"

namespace convoy {

void require_memory(size_t bytes, std::string_view what) {
  const size_t available = available_memory();
  if (bytes <= available) return;
  constexpr double kGibibyte = 1 << 30;
  throw Error(fmt::format(
      "{} needs {:.2f} GiB more memory, but {:.2f} GiB are available; use a smaller batch or smaller images", what,
      static_cast<double>(bytes) / kGibibyte, static_cast<double>(available) / kGibibyte));
}

Buffer make_arena(size_t bytes, std::string_view what) {
  require_memory(bytes, what);
  return Buffer(bytes);
}

}  // namespace convoy
