// Numbers out of bytes that may end too early.
#pragma once

#include <cstdint>
#include <span>

namespace convoy {

enum class ByteOrder : uint8_t { little, big };

// The whole number of `size` (1 to 4) bytes at `offset`; 0 where they reach beyond the end.
constexpr uint32_t number_at(std::span<const uint8_t> bytes, size_t offset, size_t size, ByteOrder order) {
  if (offset > bytes.size() || size > bytes.size() - offset) return 0;
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value = value << 8 | bytes[offset + (order == ByteOrder::big ? i : size - 1 - i)];
  }
  return value;
}

}  // namespace convoy
