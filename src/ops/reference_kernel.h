// The last entry of a kernel table: the op's own double-precision reference.
#pragma once

#include "graph/op.h"

namespace convoy {

// Runs op.reference() on f32 tensors. Slow, and it allocates: there to be right where no other kernel takes the case.
void run_reference(const NodeSpec& spec, const NodeMemory& memory);

inline constexpr Kernel kReferenceKernel{"reference", nullptr, nullptr, run_reference};

}  // namespace convoy
