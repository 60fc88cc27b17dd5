#include "kernels/unary.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "kernels/dispatch.h"

CONVOY_DISPATCH(UnaryKernels, unary_kernels)

namespace convoy::kernels {
namespace {

constexpr int64_t kTaskElements = 16384;

}  // namespace

void unary(UnaryFunction function, int64_t count, const float* input, float* output) {
  if (function != UnaryFunction::log) return unary_kernels().forward(function, count, input, output);
  // Takes apart exponent and mantissa, for which registers of floats have no names: the standard library's is as good.
  parallel_for((count + kTaskElements - 1) / kTaskElements, [&](int64_t task, int) {
    const int64_t end = std::min(count, (task + 1) * kTaskElements);
    for (int64_t i = task * kTaskElements; i < end; ++i) output[i] = std::log(input[i]);
  });
}

}  // namespace convoy::kernels
