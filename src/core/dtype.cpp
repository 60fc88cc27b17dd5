#include "convoy/dtype.h"

#include <array>

namespace convoy {
namespace {

struct TypeInfo {
  DType type;
  std::string_view name;
  int64_t bytes;
};
constexpr std::array<TypeInfo, 15> kTypes{{{DType::u64, "U64", 8},
                                           {DType::i64, "I64", 8},
                                           {DType::f64, "F64", 8},
                                           {DType::f32, "F32", 4},
                                           {DType::u32, "U32", 4},
                                           {DType::i32, "I32", 4},
                                           {DType::bf16, "BF16", 2},
                                           {DType::f16, "F16", 2},
                                           {DType::u16, "U16", 2},
                                           {DType::i16, "I16", 2},
                                           {DType::f8_e4m3, "F8_E4M3", 1},
                                           {DType::f8_e5m2, "F8_E5M2", 1},
                                           {DType::i8, "I8", 1},
                                           {DType::u8, "U8", 1},
                                           {DType::boolean, "BOOL", 1}}};

const TypeInfo& info(DType type) { return kTypes[static_cast<size_t>(type)]; }

}  // namespace

std::string_view to_string(DType type) { return info(type).name; }

int64_t size_of(DType type) { return info(type).bytes; }

bool is_floating(DType type) {
  switch (type) {
    case DType::f64:
    case DType::f32:
    case DType::bf16:
    case DType::f16:
    case DType::f8_e4m3:
    case DType::f8_e5m2: return true;
    default: return false;
  }
}

std::optional<DType> dtype_from_string(std::string_view name) {
  for (const TypeInfo& candidate : kTypes) {
    if (candidate.name == name) return candidate.type;
  }
  return std::nullopt;
}

}  // namespace convoy
