#include "formats/elements.h"

#include <limits>

namespace convoy {
float half_to_float(uint16_t half) {
  const uint32_t exponent = half >> 10 & 0x1FU;
  const uint32_t fraction = half & 0x3FFU;
  float magnitude = 0;
  if (exponent == 0) {
    magnitude = static_cast<float>(fraction) * 0x1p-24F;
  } else if (exponent == 31) {
    magnitude = std::bit_cast<float>(0x7F800000U | fraction << 13);
  } else {
    magnitude = std::bit_cast<float>((exponent + 112) << 23 | fraction << 13);
  }
  return (half & 0x8000U) != 0 ? -magnitude : magnitude;
}

float e4m3_to_float(uint8_t bits) {
  const uint32_t exponent = bits >> 3 & 0xFU;
  const uint32_t fraction = bits & 0x7U;
  float magnitude = 0;
  if (exponent == 15 && fraction == 7) {
    magnitude = std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = static_cast<float>(fraction) * 0x1p-9F;
  } else {
    magnitude = std::bit_cast<float>((exponent + 120) << 23 | fraction << 20);
  }
  return (bits & 0x80U) != 0 ? -magnitude : magnitude;
}

float bfloat_to_float(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

}  // namespace convoy
