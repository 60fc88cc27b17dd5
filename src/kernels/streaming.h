// When kernels write a map around the caches.
#pragma once

#include <cstdint>

namespace convoy::kernels {

// Floats from which on a map is too large to be in L2 when its reader comes; measured.
inline constexpr int64_t kStreamedFloats = 1 << 20;
// Floats of a cache line: what is streamed in parts of lines is slow where other lines come in between.
inline constexpr int64_t kLineFloats = 64 / sizeof(float);

}  // namespace convoy::kernels
