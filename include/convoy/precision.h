// In how many bits maps are stored.
#pragma once

#include <cstdint>
#include <string_view>

#include "convoy/export_macro.h"

namespace convoy {

// bf16: feature maps and their gradients are brain floats, which take half the memory and its bandwidth, and have 8
// bits of precision. Weights, their gradients, the optimizer, statistics, losses and all sums stay floats; weights are
// rounded where matrix tiles (Intel's AMX) multiply them. Without matrix tiles it is slower than fp32.
enum class Precision : uint8_t {
  fp32,
  bf16,
  automatic  // bf16 where the processor has matrix tiles, else fp32
};

// "fp32", "bf16", "auto".
CONVOY_API std::string_view to_string(Precision precision);

// fp32 or bf16: what `automatic` is on this machine, and otherwise what it was.
CONVOY_API Precision settled(Precision precision);

}  // namespace convoy
