// The element types of tensors in files, and their numbers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "convoy/dtype.h"

namespace convoy {

float half_to_float(uint16_t half);
float bfloat_to_float(uint16_t bits);
float e4m3_to_float(uint8_t bits);

// Calls visit(i, value) with every element of little-endian `bytes` as its own C++ type, shorter floating-point types
// as float.
template <class Visit>
void for_each_element(DType type, std::span<const std::byte> bytes, const Visit& visit) {
  static_assert(std::endian::native == std::endian::little, "files are read and written as they lie in memory");
  const auto load = [](const std::byte* from, auto value) {
    std::memcpy(&value, from, sizeof(value));
    return value;
  };
  const size_t stride = static_cast<size_t>(size_of(type));
  const size_t count = bytes.size() / stride;
  for (size_t i = 0; i < count; ++i) {
    const std::byte* at = bytes.data() + i * stride;
    switch (type) {
      case DType::f64: visit(i, load(at, double{})); break;
      case DType::f32: visit(i, load(at, float{})); break;
      case DType::f16: visit(i, half_to_float(load(at, uint16_t{}))); break;
      case DType::bf16: visit(i, bfloat_to_float(load(at, uint16_t{}))); break;
      case DType::f8_e4m3: visit(i, e4m3_to_float(load(at, uint8_t{}))); break;
      case DType::f8_e5m2: visit(i, half_to_float(static_cast<uint16_t>(load(at, uint8_t{}) << 8))); break;
      case DType::u64: visit(i, load(at, uint64_t{})); break;
      case DType::i64: visit(i, load(at, int64_t{})); break;
      case DType::u32: visit(i, load(at, uint32_t{})); break;
      case DType::i32: visit(i, load(at, int32_t{})); break;
      case DType::u16: visit(i, load(at, uint16_t{})); break;
      case DType::i16: visit(i, load(at, int16_t{})); break;
      case DType::i8: visit(i, load(at, int8_t{})); break;
      case DType::u8:
      case DType::boolean: visit(i, load(at, uint8_t{})); break;
    }
  }
}

}  // namespace convoy
