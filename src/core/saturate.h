// Counts that end at the largest number instead of overflowing.
#pragma once

#include <cstdint>
#include <limits>

namespace convoy {

// Of numbers that are not negative.
constexpr int64_t saturating_product(int64_t a, int64_t b) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  return b != 0 && a > kMost / b ? kMost : a * b;
}

constexpr int64_t saturating_sum(int64_t a, int64_t b) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  return a > kMost - b ? kMost : a + b;
}

}  // namespace convoy
