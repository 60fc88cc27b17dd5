// Activation functions.
//
// Threads: these are values, as an int is.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "convoy/export_macro.h"

namespace convoy {

// gelu is the exact x * Phi(x) (erf), gelu_tanh its usual approximation (Hendrycks and Gimpel, arXiv 1606.08415);
// leaky_relu has slope 0.01 for negative x as torch's default; hard_swish and hard_sigmoid as MobileNetV3's.
enum class Activation : uint8_t {
  none,
  relu,
  relu6,
  leaky_relu,
  silu,
  hard_swish,
  hard_sigmoid,
  sigmoid,
  gelu,
  gelu_tanh
};

CONVOY_API std::string_view to_string(Activation activation);
CONVOY_API std::optional<Activation> activation_from_string(std::string_view name);

}  // namespace convoy
