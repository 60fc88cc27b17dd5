#include "ops/reshape/reshape.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/op_list.h"

namespace convoy {

std::vector<TensorType> ReshapeOp::infer(std::span<const TensorType> inputs) const {
  const Shape& from = inputs[0].shape;
  if (from.elements() != shape_.elements()) {
    throw Error(fmt::format("reshape: {} has {} elements, {} has {}", from.to_string(), from.elements(),
                            shape_.to_string(), shape_.elements()));
  }
  return {{shape_, inputs[0].dtype}};
}

void ReshapeOp::gradient(GradientScope& scope) const {
  const Shape& input = scope.shape(scope.input(0));
  scope.set_grad_input(0, scope.add(std::make_shared<ReshapeOp>(input), {scope.grad_output(0)})[0]);
}

void ReshapeOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                          const StepScalars&) const {
  outputs[0].data = inputs[0].data;
}

std::vector<OpType> reshape_ops() { return {op_type<ReshapeOp>()}; }

Value reshape(Value x, const Shape& shape) { return append(std::make_shared<ReshapeOp>(shape), {x}); }

Value flatten(Value x) {
  const Shape& shape = x.shape();
  if (shape.rank() != 4) {
    throw Error(fmt::format("flatten: expected a map {{N, H, W, C}}, got {}", shape.to_string()));
  }
  const Shape flat{shape[0], shape[1] * shape[2] * shape[3]};
  return reshape(shape[1] * shape[2] == 1 ? x : transpose(x, {0, 3, 1, 2}), flat);
}

}  // namespace convoy
