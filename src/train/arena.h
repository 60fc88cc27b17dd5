// Memory for planned steps.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/buffer.h"

namespace convoy {

// Throws Error "<what> needs ... more memory, but ... are available; ..." where less than `bytes` is.
void require_memory(size_t bytes, std::string_view what);

// A buffer of that size. Throws as require_memory().
Buffer make_arena(size_t bytes, std::string_view what);

}  // namespace convoy
