#include "ops/expand/expand.h"

#include <fmt/format.h>

#include <algorithm>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

Shape common_shape(const Op& op, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::vector<int64_t> extents(static_cast<size_t>(rank));
  for (int axis = 1; axis <= rank; ++axis) {
    const int64_t of_a = axis <= a.rank() ? a[-axis] : 1, of_b = axis <= b.rank() ? b[-axis] : 1;
    if (of_a != of_b && of_a != 1 && of_b != 1) {
      throw Error(fmt::format("{}: expected extents that are equal or 1, counted from the last axis, got {} and {}",
                              op.name(), a.to_string(), b.to_string()));
    }
    extents[static_cast<size_t>(rank - axis)] = std::max(of_a, of_b);
  }
  return Shape(extents);
}

// The element of `small` that becomes element i of `large`.
size_t source(const Shape& small, const Shape& large, int64_t i) {
  int64_t source = 0, stride = 1;
  for (int axis = 1; axis <= small.rank(); ++axis) {
    if (small[-axis] > 1) source += i % large[-axis] * stride;
    stride *= small[-axis];
    i /= large[-axis];
  }
  return static_cast<size_t>(source);
}

}  // namespace

std::vector<TensorType> ExpandOp::infer(std::span<const TensorType> inputs) const {
  return {{common_shape(*this, inputs[0].shape, inputs[1].shape), inputs[0].dtype}};
}

void ExpandOp::gradient(GradientScope& scope) const {
  if (!scope.wants(0)) return;
  const Shape& input = scope.shape(scope.input(0));
  scope.set_grad_input(0, scope.add(std::make_shared<ExpandGradOp>(input), {scope.grad_output(0)})[0]);
}

void ExpandOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                         const StepScalars&) const {
  const Shape &from = inputs[0].type.shape, &to = outputs[0].type.shape;
  for (int64_t i = 0; i < to.elements(); ++i) outputs[0].begin()[i] = inputs[0].data[source(from, to, i)];
}

std::vector<TensorType> ExpandGradOp::infer(std::span<const TensorType> inputs) const {
  const Shape& shape = inputs[0].shape;
  if (common_shape(*this, shape_, shape) != shape) {
    throw Error(fmt::format("expand_grad: expected its grad_output to be what {} can become, got {}",
                            shape_.to_string(), shape.to_string()));
  }
  return {{shape_, inputs[0].dtype}};
}

void ExpandGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                             const StepScalars&) const {
  const Shape& from = inputs[0].type.shape;
  for (int64_t i = 0; i < from.elements(); ++i) outputs[0].data[source(shape_, from, i)] += inputs[0].begin()[i];
}

std::vector<OpType> expand_ops() { return {op_type<ExpandOp>(), op_type<ExpandGradOp>()}; }

Value expand(Value x, Value like) { return append(std::make_shared<ExpandOp>(), {x, like}); }

}  // namespace convoy
