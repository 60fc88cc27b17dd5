// Functions of one number, element by element.
#pragma once

#include <cstdint>

#include "convoy/unary.h"

namespace convoy::kernels {

// An output may be the same tensor as an input; otherwise outputs overlap nothing.
struct UnaryKernels {
  // output[i] = function(input[i]), of any function but log.
  void (*forward)(UnaryFunction function, int64_t count, const float* input, float* output);
  // grad_input[i] = grad_output[i] * function'(x[i]); saved is x, or function(x) where derivative_from_output.
  void (*backward)(UnaryFunction function, int64_t count, const float* saved, const float* grad_output,
                   float* grad_input);
};

const UnaryKernels& unary_kernels();

// output[i] = function(input[i]), of any function.
void unary(UnaryFunction function, int64_t count, const float* input, float* output);

}  // namespace convoy::kernels
