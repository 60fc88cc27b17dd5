#include "core/finite.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace convoy {

std::optional<size_t> first_not_finite(std::span<const float> values) {
  // A block without branches, which the compiler makes vectors of, is looked at closely only where it has one.
  constexpr size_t kBlock = 4096;
  constexpr uint32_t kExponent = 0x7F800000;
  for (size_t begin = 0; begin < values.size(); begin += kBlock) {
    const std::span<const float> block = values.subspan(begin, std::min(kBlock, values.size() - begin));
    uint32_t found = 0;
    for (const float value : block) found |= (std::bit_cast<uint32_t>(value) & kExponent) == kExponent ? 1U : 0U;
    if (found == 0) continue;
    const auto first = std::ranges::find_if_not(block, [](float value) { return std::isfinite(value); });
    return begin + static_cast<size_t>(first - block.begin());
  }
  return std::nullopt;
}

}  // namespace convoy
