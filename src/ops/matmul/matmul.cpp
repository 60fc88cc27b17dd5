#include "ops/matmul/matmul.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "core/saturate.h"
#include "ops/append.h"
#include "ops/op_list.h"

namespace convoy {

kernels::MatmulShape MatmulOp::geometry(const Shape& a, const Shape& b) const {
  return {.batch = a.elements() / (a[-1] * a[-2]),
          .m = transpose_a_ ? a[-1] : a[-2],
          .n = transpose_b_ ? b[-2] : b[-1],
          .k = transpose_a_ ? a[-2] : a[-1],
          .transpose_a = transpose_a_,
          .transpose_b = transpose_b_};
}

std::vector<TensorType> MatmulOp::infer(std::span<const TensorType> inputs) const {
  const Shape &a = inputs[0].shape, &b = inputs[1].shape;
  bool fits = a.rank() >= 2 && a.rank() == b.rank();
  for (int axis = 0; fits && axis < a.rank() - 2; ++axis) fits = a[axis] == b[axis];
  fits = fits && (transpose_a_ ? a[-2] : a[-1]) == (transpose_b_ ? b[-1] : b[-2]);
  if (!fits) {
    throw Error(fmt::format("matmul: {}{} does not multiply {}{}; expected {{..., M, K}} and {{..., K, N}}",
                            a.to_string(), transpose_a_ ? " transposed" : "", b.to_string(),
                            transpose_b_ ? " transposed" : ""));
  }
  const kernels::MatmulShape shape = geometry(a, b);
  std::vector<int64_t> extents(a.extents().begin(), a.extents().end());
  extents[extents.size() - 2] = shape.m;
  extents.back() = shape.n;
  return {{Shape(extents), inputs[0].dtype}};
}

void MatmulOp::gradient(GradientScope& scope) const {
  const ValueId a = scope.input(0), b = scope.input(1), grad = scope.grad_output(0);
  const auto product = [&scope](ValueId left, bool transpose_left, ValueId right, bool transpose_right) {
    return scope.add(std::make_shared<MatmulOp>(transpose_left, transpose_right), {left, right})[0];
  };
  if (scope.wants(0)) {
    scope.set_grad_input(0,
                         transpose_a_ ? product(b, transpose_b_, grad, true) : product(grad, false, b, !transpose_b_));
  }
  if (scope.wants(1)) {
    scope.set_grad_input(1,
                         transpose_b_ ? product(grad, true, a, transpose_a_) : product(a, !transpose_a_, grad, false));
  }
}

void MatmulOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                         const StepScalars&) const {
  const kernels::MatmulShape s = geometry(inputs[0].type.shape, inputs[1].type.shape);
  for (int64_t matrix = 0; matrix < s.batch; ++matrix) {
    const double *a = inputs[0].begin() + matrix * s.m * s.k, *b = inputs[1].begin() + matrix * s.k * s.n;
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t j = 0; j < s.n; ++j) {
        double sum = 0;
        for (int64_t p = 0; p < s.k; ++p) {
          sum += a[transpose_a_ ? p * s.m + i : i * s.k + p] * b[transpose_b_ ? j * s.k + p : p * s.n + j];
        }
        outputs[0].begin()[(matrix * s.m + i) * s.n + j] = sum;
      }
    }
  }
}

int64_t MatmulOp::multiply_adds(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const {
  return saturating_product(outputs[0].shape.elements(), geometry(inputs[0].shape, inputs[1].shape).k);
}

std::vector<OpType> matmul_ops() { return {op_type<MatmulOp>()}; }

Value matmul(Value a, Value b, bool transpose_a, bool transpose_b) {
  return append(std::make_shared<MatmulOp>(transpose_a, transpose_b), {a, b});
}

}  // namespace convoy
