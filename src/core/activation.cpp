#include "core/activation.h"

namespace convoy {

std::string_view to_string(Activation activation) {
  switch (activation) {
    case Activation::none: return "none";
    case Activation::relu: return "relu";
    case Activation::relu6: return "relu6";
    case Activation::leaky_relu: return "leaky_relu";
    case Activation::silu: return "silu";
    case Activation::hard_swish: return "hard_swish";
    case Activation::hard_sigmoid: return "hard_sigmoid";
    case Activation::sigmoid: return "sigmoid";
    case Activation::gelu: return "gelu";
    case Activation::gelu_tanh: return "gelu_tanh";
  }
  return "";
}

std::optional<Activation> activation_from_string(std::string_view name) {
  for (auto i = uint8_t{0}; i <= static_cast<uint8_t>(Activation::gelu_tanh); ++i) {
    if (const auto activation = static_cast<Activation>(i); to_string(activation) == name) return activation;
  }
  return std::nullopt;
}

}  // namespace convoy
