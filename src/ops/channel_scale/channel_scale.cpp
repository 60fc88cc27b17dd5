#include "ops/channel_scale/channel_scale.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

// The inputs of both ops: x, its scale, and a tensor like x.
void expect_map_and_scale(const Op& op, std::span<const TensorType> inputs) {
  expect_rank(op, inputs, 0, 2, Shape::kMaxRank);
  expect_rank(op, inputs, 1, 1, 2);
  const Shape& x = inputs[0].shape;
  expect_shape(op, inputs, 1, inputs[1].shape.rank() == 1 ? Shape{x[-1]} : Shape{x[0], x[-1]});
  expect_shape(op, inputs, 2, x);
}

// The element of the scale that multiplies element i of x.
int64_t scale_of(int64_t i, const Shape& x, const Shape& scale) {
  const int64_t channels = x[-1], samples = scale.elements() / channels;
  return i / (x.elements() / samples) * channels + i % channels;
}

}  // namespace

std::vector<TensorType> ChannelScaleOp::infer(std::span<const TensorType> inputs) const {
  expect_map_and_scale(*this, inputs);
  return {{inputs[0].shape}};
}

void ChannelScaleOp::gradient(GradientScope& scope) const {
  if (scope.wants(0) || scope.wants(1)) {
    const auto grads = scope.add(std::make_shared<ChannelScaleGradOp>(scope.wants(0), scope.wants(1)),
                                 {scope.input(0), scope.input(1), scope.grad_output(0)});
    for (int i = 0; i < 2; ++i) scope.set_grad_input(i, grads[static_cast<size_t>(i)]);
  }
  if (scope.input(2) != kNoValue && scope.wants(2)) scope.set_grad_input(2, scope.grad_output(0));
}

void ChannelScaleOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                               const StepScalars&) const {
  const Shape &x = inputs[0].type.shape, &scale = inputs[1].type.shape;
  for (int64_t i = 0; i < x.elements(); ++i) {
    const double addend = inputs[2].type.present ? inputs[2].begin()[i] : 0;
    outputs[0].begin()[i] = inputs[0].begin()[i] * inputs[1].begin()[scale_of(i, x, scale)] + addend;
  }
}

std::vector<TensorType> ChannelScaleGradOp::infer(std::span<const TensorType> inputs) const {
  if (!wants_x_ && !wants_scale_) throw Error("channel_scale_grad: expected a gradient to be wanted, got none");
  expect_map_and_scale(*this, inputs);
  return {wants_x_ ? TensorType{inputs[0].shape} : TensorType::absent(),
          wants_scale_ ? TensorType{inputs[1].shape} : TensorType::absent()};
}

void ChannelScaleGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                   const StepScalars&) const {
  const Shape &x = inputs[0].type.shape, &scale = inputs[1].type.shape;
  for (int64_t i = 0; i < x.elements(); ++i) {
    const double grad_output = inputs[2].begin()[i];
    const int64_t of_scale = scale_of(i, x, scale);
    if (wants_x_) outputs[0].begin()[i] = grad_output * inputs[1].begin()[of_scale];
    if (wants_scale_) outputs[1].begin()[of_scale] += grad_output * inputs[0].begin()[i];
  }
}

std::vector<OpType> channel_scale_ops() { return {op_type<ChannelScaleOp>(), op_type<ChannelScaleGradOp>()}; }

Value channel_scale(Value x, Value scale) { return append(std::make_shared<ChannelScaleOp>(), {x, scale, Value()}); }

Value scale(Value x, float factor) {
  Graph& graph = x.graph();
  if (x.shape().rank() < 2) return mul(x, {&graph, graph.add_constant(x.shape(), factor)});
  return channel_scale(x, {&graph, graph.add_constant({x.channels()}, factor)});
}

}  // namespace convoy
