// Functions of one number.
//
// Threads: these are values, as an int is.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "convoy/export_macro.h"

namespace convoy {

// They are ops of their own; what follows a convolution as part of it is an Activation.
enum class UnaryFunction : uint8_t { tanh, erf, exp, log, sqrt, reciprocal, abs };

CONVOY_API std::string_view to_string(UnaryFunction function);
CONVOY_API std::optional<UnaryFunction> unary_from_string(std::string_view name);

}  // namespace convoy
