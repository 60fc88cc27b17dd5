// Brain floats: the upper half of an IEEE single, with its range and 8 bits of precision.
#pragma once

#include <cstdint>
#include <cstring>

namespace convoy {

// Threads: these are values, as an int is.
struct Bf16 {
  uint16_t bits = 0;

  Bf16() = default;
  // Rounds to the nearest, halves to even. Infinities stay, and so do the NaNs that arithmetic makes.
  [[gnu::always_inline]] explicit Bf16(float x) {
    uint32_t word;
    std::memcpy(&word, &x, sizeof word);
    bits = static_cast<uint16_t>((word + 0x7FFFU + ((word >> 16) & 1U)) >> 16);
  }
  explicit Bf16(double x) : Bf16(static_cast<float>(x)) {}
  [[gnu::always_inline]] operator float() const {
    const uint32_t word = static_cast<uint32_t>(bits) << 16;
    float x;
    std::memcpy(&x, &word, sizeof x);
    return x;
  }
};

}  // namespace convoy
