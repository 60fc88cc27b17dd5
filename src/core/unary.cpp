#include "core/unary.h"

namespace convoy {

std::string_view to_string(UnaryFunction function) {
  switch (function) {
    case UnaryFunction::tanh: return "tanh";
    case UnaryFunction::erf: return "erf";
    case UnaryFunction::exp: return "exp";
    case UnaryFunction::log: return "log";
    case UnaryFunction::sqrt: return "sqrt";
    case UnaryFunction::reciprocal: return "reciprocal";
    case UnaryFunction::abs: return "abs";
  }
  return "";
}

std::optional<UnaryFunction> unary_from_string(std::string_view name) {
  for (auto i = uint8_t{0}; i <= static_cast<uint8_t>(UnaryFunction::abs); ++i) {
    if (const auto function = static_cast<UnaryFunction>(i); to_string(function) == name) return function;
  }
  return std::nullopt;
}

}  // namespace convoy
