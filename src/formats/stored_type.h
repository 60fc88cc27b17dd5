// The element types of tensors in files, and their numbers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace convoy {

// In the order in which the tensors of a safetensors file are written.
enum class StoredType : uint8_t {
  u64,
  i64,
  f64,
  f32,
  u32,
  i32,
  bf16,
  f16,
  u16,
  i16,
  f8_e4m3,  // without infinities, as torch.float8_e4m3fn
  f8_e5m2,
  i8,
  u8,
  boolean
};

// "F32" and so on, as safetensors spells it.
std::string_view to_string(StoredType type);
// Bytes of one element.
int64_t size_of(StoredType type);
bool is_floating(StoredType type);
std::optional<StoredType> stored_type_from_string(std::string_view name);

float half_to_float(uint16_t half);
float bfloat_to_float(uint16_t bits);
float e4m3_to_float(uint8_t bits);

// Calls visit(i, value) with every element of little-endian `bytes` as its own C++ type, shorter floating-point types
// as float.
template <class Visit>
void for_each_element(StoredType type, std::span<const std::byte> bytes, const Visit& visit) {
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
      case StoredType::f64: visit(i, load(at, double{})); break;
      case StoredType::f32: visit(i, load(at, float{})); break;
      case StoredType::f16: visit(i, half_to_float(load(at, uint16_t{}))); break;
      case StoredType::bf16: visit(i, bfloat_to_float(load(at, uint16_t{}))); break;
      case StoredType::f8_e4m3: visit(i, e4m3_to_float(load(at, uint8_t{}))); break;
      case StoredType::f8_e5m2: visit(i, half_to_float(static_cast<uint16_t>(load(at, uint8_t{}) << 8))); break;
      case StoredType::u64: visit(i, load(at, uint64_t{})); break;
      case StoredType::i64: visit(i, load(at, int64_t{})); break;
      case StoredType::u32: visit(i, load(at, uint32_t{})); break;
      case StoredType::i32: visit(i, load(at, int32_t{})); break;
      case StoredType::u16: visit(i, load(at, uint16_t{})); break;
      case StoredType::i16: visit(i, load(at, int16_t{})); break;
      case StoredType::i8: visit(i, load(at, int8_t{})); break;
      case StoredType::u8:
      case StoredType::boolean: visit(i, load(at, uint8_t{})); break;
    }
  }
}

}  // namespace convoy
