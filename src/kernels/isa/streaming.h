// Writing large maps around the caches.
#pragma once

#include "kernels/isa/simd.h"
#include "kernels/streaming.h"

namespace convoy::kernels::CONVOY_ISA {

// Whether a map of `floats` elements is written around the caches, which spares reading a large one before it is
// overwritten. No input may be the output. Stores must be of whole registers, so that a map of rows needs rows of whole
// registers too.
template <class... Inputs>
inline bool streams(int64_t floats, const float* output, Inputs... inputs) {
  return floats >= kStreamedFloats && reinterpret_cast<uintptr_t>(output) % 64 == 0 && ((output != inputs) && ...);
}
template <class... Inputs>
inline bool streams_rows(int64_t floats, int64_t width, const float* output, Inputs... inputs) {
  return width % kLanes == 0 && streams(floats, output, inputs...);
}

}  // namespace convoy::kernels::CONVOY_ISA
