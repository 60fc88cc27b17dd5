// Writing large maps around the caches.
#pragma once

#include "kernels/isa/simd.h"
#include "kernels/streaming.h"

namespace convoy::kernels::CONVOY_ISA {

// Whether a map of `elements` is written around the caches, which spares reading a large one before it is
// overwritten. No input may be the output. Stores must be of whole registers, so that a map of rows needs rows of whole
// registers too.
template <class Element, class... Inputs>
inline bool streams(int64_t elements, const Element* output, Inputs... inputs) {
  return elements * static_cast<int64_t>(sizeof(Element)) >= kStreamedFloats * static_cast<int64_t>(sizeof(float)) &&
         reinterpret_cast<uintptr_t>(output) % 64 == 0 && ((output != inputs) && ...);
}
template <class Element, class... Inputs>
inline bool streams_rows(int64_t elements, int64_t width, const Element* output, Inputs... inputs) {
  return width % kLanes == 0 && streams(elements, output, inputs...);
}

}  // namespace convoy::kernels::CONVOY_ISA
