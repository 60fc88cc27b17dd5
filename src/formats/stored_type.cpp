#include "formats/stored_type.h"

#include <array>
#include <limits>

namespace convoy {
namespace {

struct TypeInfo {
  StoredType type;
  std::string_view name;
  int64_t bytes;
};
constexpr std::array<TypeInfo, 15> kTypes{{{StoredType::u64, "U64", 8},
                                           {StoredType::i64, "I64", 8},
                                           {StoredType::f64, "F64", 8},
                                           {StoredType::f32, "F32", 4},
                                           {StoredType::u32, "U32", 4},
                                           {StoredType::i32, "I32", 4},
                                           {StoredType::bf16, "BF16", 2},
                                           {StoredType::f16, "F16", 2},
                                           {StoredType::u16, "U16", 2},
                                           {StoredType::i16, "I16", 2},
                                           {StoredType::f8_e4m3, "F8_E4M3", 1},
                                           {StoredType::f8_e5m2, "F8_E5M2", 1},
                                           {StoredType::i8, "I8", 1},
                                           {StoredType::u8, "U8", 1},
                                           {StoredType::boolean, "BOOL", 1}}};

const TypeInfo& info(StoredType type) { return kTypes[static_cast<size_t>(type)]; }

}  // namespace

std::string_view to_string(StoredType type) { return info(type).name; }

int64_t size_of(StoredType type) { return info(type).bytes; }

bool is_floating(StoredType type) {
  switch (type) {
    case StoredType::f64:
    case StoredType::f32:
    case StoredType::bf16:
    case StoredType::f16:
    case StoredType::f8_e4m3:
    case StoredType::f8_e5m2: return true;
    default: return false;
  }
}

std::optional<StoredType> stored_type_from_string(std::string_view name) {
  for (const TypeInfo& candidate : kTypes) {
    if (candidate.name == name) return candidate.type;
  }
  return std::nullopt;
}

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
