// What kernels and gradients both know of activation functions.
#pragma once

#include "convoy/activation.h"

namespace convoy {

// Whether the derivative at x is also the derivative at function(x): then x need not be kept.
constexpr bool derivative_from_output(Activation function) {
  return function == Activation::none || function == Activation::relu || function == Activation::relu6 ||
         function == Activation::leaky_relu;
}

}  // namespace convoy
