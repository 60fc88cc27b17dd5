#include "formats/encode.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace convoy {
namespace {

// `bits` without its lowest `dropped`, rounded to the nearest, ties to even.
uint32_t rounded(uint32_t bits, int dropped) {
  const uint32_t half = 1U << (dropped - 1), odd = bits >> dropped & 1U;
  return (bits + half - 1 + odd) >> dropped;
}

}  // namespace

uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000U);
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  constexpr uint32_t kInfinity = 0x7F800000U, kSmallestNormal = 113U << 23, kBias = 112U << 23;
  uint32_t half = 0;
  if (magnitude > kInfinity) {
    half = 0x7E00U;
  } else if (magnitude < kSmallestNormal) {
    half = static_cast<uint32_t>(std::lrint(std::abs(value) * 0x1p24F));  // in units of the smallest half
  } else {
    half = std::min(rounded(magnitude - kBias, 13), 0x7C00U);
  }
  return static_cast<uint16_t>(sign | half);
}

uint16_t float_to_bfloat(float value) {
  if (std::isnan(value)) return 0x7FC0U;
  return static_cast<uint16_t>(rounded(std::bit_cast<uint32_t>(value), 16));
}

std::vector<std::byte> encode_floats(std::span<const float> values, DType type) {
  std::vector<std::byte> bytes(values.size() * static_cast<size_t>(size_of(type)));
  std::byte* into = bytes.data();
  for (const float value : values) {
    if (type == DType::f32) {
      std::memcpy(into, &value, sizeof(value));
      into += sizeof(value);
      continue;
    }
    if (type == DType::i8) {
      *into++ = static_cast<std::byte>(static_cast<int8_t>(value));
      continue;
    }
    const uint16_t shortened = type == DType::f16 ? float_to_half(value) : float_to_bfloat(value);
    std::memcpy(into, &shortened, sizeof(shortened));
    into += sizeof(shortened);
  }
  return bytes;
}

void round_floats(std::span<float> values, DType type) {
  for_each_element(type, encode_floats(values, type),
                   [&](size_t i, auto value) { values[i] = static_cast<float>(value); });
}

}  // namespace convoy
