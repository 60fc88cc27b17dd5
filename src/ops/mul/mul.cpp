#include "ops/mul/mul.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {

std::vector<TensorType> MulOp::infer(std::span<const TensorType> inputs) const {
  if (inputs[0].shape != inputs[1].shape) {
    throw Error(fmt::format("mul: expected equal shapes, got {} and {}; use channel_scale to multiply by channel",
                            inputs[0].shape.to_string(), inputs[1].shape.to_string()));
  }
  return {{inputs[0].shape}};
}

void MulOp::gradient(GradientScope& scope) const {
  const auto grads = scope.add(std::make_shared<MulGradOp>(scope.wants(0), scope.wants(1)),
                               {scope.input(0), scope.input(1), scope.grad_output(0)});
  for (int i = 0; i < 2; ++i) scope.set_grad_input(i, grads[static_cast<size_t>(i)]);
}

void MulOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs, const StepScalars&) const {
  for (size_t i = 0; i < outputs[0].data.size(); ++i) outputs[0].data[i] = inputs[0].data[i] * inputs[1].data[i];
}

std::vector<TensorType> MulGradOp::infer(std::span<const TensorType> inputs) const {
  if (!wants_a_ && !wants_b_) throw Error("mul_grad: expected a gradient to be wanted, got none");
  for (const int i : {1, 2}) expect_shape(*this, inputs, i, inputs[0].shape);
  const TensorType gradient{inputs[0].shape};
  return {wants_a_ ? gradient : TensorType::absent(), wants_b_ ? gradient : TensorType::absent()};
}

void MulGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                          const StepScalars&) const {
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const std::vector<double>& other = inputs[1 - i].data;
    for (size_t k = 0; k < outputs[i].data.size(); ++k) outputs[i].data[k] = inputs[2].data[k] * other[k];
  }
}

std::vector<OpType> mul_ops() { return {op_type<MulOp>(), op_type<MulGradOp>()}; }

Value mul(Value a, Value b) { return append(std::make_shared<MulOp>(), {a, b}); }

}  // namespace convoy
