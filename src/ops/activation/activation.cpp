#include "ops/activation/activation.h"

#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "core/activation.h"
#include "ops/append.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {

void ActivationOp::gradient(GradientScope& scope) const {
  const ValueId saved = derivative_from_output(function_) ? scope.output(0) : scope.input(0);
  scope.set_grad_input(
      0, scope.add(std::make_shared<ActivationGradOp>(function_), {saved, scope.grad_output(0), kNoValue})[0]);
}

std::vector<TensorType> ActivationGradOp::infer(std::span<const TensorType> inputs) const {
  for (const int i : {1, 2}) expect_shape(*this, inputs, i, inputs[0].shape);
  return {{inputs[0].shape}};
}

std::vector<OpType> activation_ops() { return {op_type<ActivationOp>(), op_type<ActivationGradOp>()}; }

Value activation(Value x, Activation function) {
  if (function == Activation::none) return x;
  return append(std::make_shared<ActivationOp>(function), {x});
}

}  // namespace convoy
