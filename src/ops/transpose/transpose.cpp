#include "ops/transpose/transpose.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/op_list.h"

namespace convoy {

std::vector<TensorType> TransposeOp::infer(std::span<const TensorType> inputs) const {
  const Shape& shape = inputs[0].shape;
  bool permutation = axes_.size() == shape.extents().size();
  for (int64_t axis = 0; axis < shape.rank(); ++axis) {
    permutation = permutation && std::ranges::find(axes_, axis) != axes_.end();
  }
  if (!permutation) {
    throw Error(fmt::format("transpose: expected every axis of {} once, got {{{}}}", shape.to_string(),
                            fmt::join(axes_, ", ")));
  }
  std::vector<int64_t> extents;
  for (const int64_t axis : axes_) extents.push_back(shape[static_cast<int>(axis)]);
  return {{Shape(extents), inputs[0].dtype}};
}

void TransposeOp::gradient(GradientScope& scope) const {
  std::vector<int64_t> inverse(axes_.size());
  for (size_t i = 0; i < axes_.size(); ++i) inverse[static_cast<size_t>(axes_[i])] = static_cast<int64_t>(i);
  scope.set_grad_input(0, scope.add(std::make_shared<TransposeOp>(inverse), {scope.grad_output(0)})[0]);
}

void TransposeOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                            const StepScalars&) const {
  const Shape &from = inputs[0].type.shape, &to = outputs[0].type.shape;
  for (int64_t i = 0; i < to.elements(); ++i) {
    std::vector<int64_t> index(axes_.size());
    int64_t rest = i;
    for (int axis = to.rank(); axis-- > 0;) {
      index[static_cast<size_t>(axes_[static_cast<size_t>(axis)])] = rest % to[axis];
      rest /= to[axis];
    }
    int64_t source = 0;
    for (int axis = 0; axis < from.rank(); ++axis) source = source * from[axis] + index[static_cast<size_t>(axis)];
    outputs[0].begin()[i] = inputs[0].begin()[source];
  }
}

std::vector<OpType> transpose_ops() { return {op_type<TransposeOp>()}; }

Value transpose(Value x, const std::vector<int>& axes) {
  return append(std::make_shared<TransposeOp>(std::vector<int64_t>(axes.begin(), axes.end())), {x});
}

}  // namespace convoy
