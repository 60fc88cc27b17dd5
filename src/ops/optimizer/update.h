// What the kernels of the optimizers share.
#pragma once

#include "convoy/kernel.h"

namespace convoy {

// The last input, which is 1 where it is absent.
inline float grad_scale(const NodeSpec& spec, const NodeMemory& memory) {
  const float* factor = memory.input(static_cast<int>(spec.inputs.size()) - 1);
  return factor == nullptr ? 1.0F : *factor;
}

// `count` floats and what aligns the next of them to 64 bytes.
inline size_t padded_floats(int64_t count) { return (static_cast<size_t>(count) + 15) / 16 * 16; }

// Muon's kernel.
size_t newton_schulz_workspace(const NodeSpec& spec);
void run_newton_schulz(const NodeSpec& spec, const NodeMemory& memory);

}  // namespace convoy
