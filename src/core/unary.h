// What kernels and gradients both know of functions of one number.
#pragma once

#include "convoy/unary.h"

namespace convoy {

// Whether the derivative at x is computed from function(x): then x need not be kept.
constexpr bool derivative_from_output(UnaryFunction function) {
  return function == UnaryFunction::tanh || function == UnaryFunction::exp || function == UnaryFunction::sqrt ||
         function == UnaryFunction::reciprocal;
}

}  // namespace convoy
