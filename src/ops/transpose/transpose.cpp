#include "ops/transpose/transpose.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "kernels/rearrange.h"
#include "ops/append.h"

namespace convoy {

std::string TransposeOp::attributes() const { return fmt::format("axes={}", fmt::join(axes_, ",")); }

std::vector<TensorType> TransposeOp::infer(std::span<const TensorType> inputs) const {
  const Shape& shape = inputs[0].shape;
  std::vector<int> sorted = axes_;
  std::sort(sorted.begin(), sorted.end());
  bool permutation = static_cast<int>(sorted.size()) == shape.rank();
  for (size_t i = 0; i < sorted.size(); ++i) permutation = permutation && sorted[i] == static_cast<int>(i);
  if (!permutation) {
    throw Error(fmt::format("transpose: expected every axis of {} once, got {{{}}}", shape.to_string(),
                            fmt::join(axes_, ", ")));
  }
  std::vector<int64_t> extents;
  for (const int axis : axes_) extents.push_back(shape[axis]);
  return {{Shape(extents), inputs[0].dtype}};
}

void TransposeOp::gradient(GradientScope& scope) const {
  std::vector<int> inverse(axes_.size());
  for (size_t i = 0; i < axes_.size(); ++i) inverse[static_cast<size_t>(axes_[i])] = static_cast<int>(i);
  scope.set_grad_input(0, scope.add(std::make_shared<TransposeOp>(inverse), {scope.grad_output(0)})[0]);
}

void TransposeOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
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

std::span<const Kernel> TransposeOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"copy", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         kernels::permute(spec.inputs[0].shape, static_cast<const TransposeOp&>(spec.op).axes(), memory.input(0),
                          memory.output(0));
       }},
  };
  return kTable;
}

Value transpose(Value x, const std::vector<int>& axes) { return append(std::make_shared<TransposeOp>(axes), {x}); }

}  // namespace convoy
