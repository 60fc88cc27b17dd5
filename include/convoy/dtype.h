// Types of elements.
//
// Threads: these are values, as an int is.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "convoy/export_macro.h"

namespace convoy {

// In the order in which the tensors of a safetensors file are written.
enum class DType : uint8_t {
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
CONVOY_API std::string_view to_string(DType type);
CONVOY_API std::optional<DType> dtype_from_string(std::string_view name);
// Bytes of one element.
CONVOY_API int64_t size_of(DType type);
CONVOY_API bool is_floating(DType type);

}  // namespace convoy
