#include "ops/sum/sum.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/op_list.h"

namespace convoy {

std::vector<TensorType> SumOp::infer(std::span<const TensorType> inputs) const {
  for (const TensorType& input : inputs) {
    if (input.shape != inputs[0].shape) {
      throw Error(fmt::format("sum: expected equal shapes, got {} and {}", inputs[0].shape.to_string(),
                              input.shape.to_string()));
    }
  }
  return {{inputs[0].shape}};
}

void SumOp::gradient(GradientScope& scope) const {
  for (size_t i = 0; i < scope.grad_inputs().size(); ++i) {
    scope.set_grad_input(static_cast<int>(i), scope.grad_output(0));
  }
}

void SumOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs, const StepScalars&) const {
  for (size_t k = 0; k < outputs[0].data.size(); ++k) {
    for (const ReferenceTensor& input : inputs) outputs[0].data[k] += input.data[k];
  }
}

std::vector<OpType> sum_ops() { return {op_type<SumOp>()}; }

Value add(Value a, Value b) { return append(std::make_shared<SumOp>(), {a, b}); }

}  // namespace convoy
