#include "ops/unary/unary.h"

#include <cmath>
#include <numbers>

#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "core/unary.h"
#include "ops/append.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

double in_double(UnaryFunction function, double x) {
  switch (function) {
    case UnaryFunction::tanh: return std::tanh(x);
    case UnaryFunction::erf: return std::erf(x);
    case UnaryFunction::exp: return std::exp(x);
    case UnaryFunction::log: return std::log(x);
    case UnaryFunction::sqrt: return std::sqrt(x);
    case UnaryFunction::reciprocal: return 1 / x;
    case UnaryFunction::abs: return std::abs(x);
  }
  return x;
}

// The derivative given x, or y = function(x) where derivative_from_output; 0 at the kink of abs, as PyTorch has it.
double derivative(UnaryFunction function, double saved) {
  switch (function) {
    case UnaryFunction::tanh: return 1 - saved * saved;
    case UnaryFunction::erf: return 2 * std::numbers::inv_sqrtpi * std::exp(-saved * saved);
    case UnaryFunction::exp: return saved;
    case UnaryFunction::log: return 1 / saved;
    case UnaryFunction::sqrt: return 1 / (2 * saved);
    case UnaryFunction::reciprocal: return -saved * saved;
    case UnaryFunction::abs: return saved > 0 ? 1 : saved < 0 ? -1 : saved;
  }
  return 1;
}

}  // namespace

void UnaryOp::gradient(GradientScope& scope) const {
  const ValueId saved = derivative_from_output(function_) ? scope.output(0) : scope.input(0);
  scope.set_grad_input(0, scope.add(std::make_shared<UnaryGradOp>(function_), {saved, scope.grad_output(0)})[0]);
}

void UnaryOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                        const StepScalars&) const {
  for (size_t i = 0; i < outputs[0].data.size(); ++i) outputs[0].data[i] = in_double(function_, inputs[0].data[i]);
}

std::vector<TensorType> UnaryGradOp::infer(std::span<const TensorType> inputs) const {
  expect_shape(*this, inputs, 1, inputs[0].shape);
  return {{inputs[0].shape}};
}

void UnaryGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                            const StepScalars&) const {
  for (size_t i = 0; i < outputs[0].data.size(); ++i) {
    outputs[0].data[i] = inputs[1].data[i] * derivative(function_, inputs[0].data[i]);
  }
}

std::vector<OpType> unary_ops() { return {op_type<UnaryOp>(), op_type<UnaryGradOp>()}; }

Value unary(Value x, UnaryFunction function) { return append(std::make_shared<UnaryOp>(function), {x}); }

}  // namespace convoy
