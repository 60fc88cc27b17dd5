// Memory for planned steps.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "core/buffer.h"

namespace convoy {

// What to do where fewer bytes are available than needed.
using MemoryAdvice = std::function<std::string(size_t available)>;

// The bytes that are available. Throws Error "<what> needs ... more memory, but ... are available; <advice>" where they
// are less than `bytes`; without advice it is to use a smaller batch or smaller images.
size_t require_memory(size_t bytes, std::string_view what, const MemoryAdvice& advice = {});

// A buffer of that size. Throws as require_memory().
Buffer make_arena(size_t bytes, std::string_view what);

}  // namespace convoy
