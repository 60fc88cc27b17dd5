#include "ops/sum/sum.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "graph/graph.h"
#include "ops/reference_kernel.h"

namespace convoy {

std::vector<TensorType> SumOp::infer(std::span<const TensorType> inputs) const {
  for (const TensorType& input : inputs) {
    if (input.shape != inputs[0].shape) {
      throw Error(fmt::format("add: expected equal shapes, got {} and {}", inputs[0].shape.to_string(),
                              input.shape.to_string()));
    }
  }
  return {inputs[0]};
}

void SumOp::gradient(GradientScope& scope) const {
  for (size_t i = 0; i < scope.grad_inputs().size(); ++i) scope.set_grad_input(static_cast<int>(i), scope.grad_output(0));
}

void SumOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  for (size_t k = 0; k < outputs[0].data.size(); ++k) {
    for (const ReferenceTensor& input : inputs) outputs[0].data[k] += input.data[k];
  }
}

std::span<const Kernel> SumOp::kernels() const {
  static constexpr Kernel kTable[] = {kReferenceKernel};
  return kTable;
}

Value add(Value a, Value b) {
  return {&a.graph(), a.graph().add_node(std::make_shared<SumOp>(), {a.id(), b.id()})[0]};
}

}  // namespace convoy
