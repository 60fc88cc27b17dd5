// A fast hash of bytes, to recognise them again. Not fit against those who look for collisions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace convoy {

// A hash of `bytes` and what went before: FNV-1a on words of 64 bits, which one multiplication each makes fast enough
// for gigabytes.
inline uint64_t hash_bytes(uint64_t hash, std::span<const std::byte> bytes) {
  const auto mix = [&](uint64_t word) { hash = std::rotl((hash ^ word) * 0x100000001B3, 23); };
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    mix(word);
  }
  for (; i < bytes.size(); ++i) mix(std::to_integer<uint64_t>(bytes[i]));
  return hash;
}

}  // namespace convoy
