#include "ops/slice/slice.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

TensorType with_channels(const TensorType& type, int64_t channels) {
  std::vector<int64_t> extents(type.shape.extents().begin(), type.shape.extents().end());
  extents.back() = channels;
  return {Shape(extents), type.dtype};
}

}  // namespace

std::vector<TensorType> SliceOp::infer(std::span<const TensorType> inputs) const {
  const Shape& shape = inputs[0].shape;
  if (shape.rank() == 0 || begin_ < 0 || begin_ >= end_ || end_ > shape[-1]) {
    throw Error(fmt::format("slice: {} has no channels [{}, {})", shape.to_string(), begin_, end_));
  }
  return {with_channels(inputs[0], end_ - begin_)};
}

void SliceOp::gradient(GradientScope& scope) const {
  const int64_t channels = scope.shape(scope.input(0))[-1];
  scope.set_grad_input(0, scope.add(std::make_shared<SliceGradOp>(begin_, channels), {scope.grad_output(0)})[0]);
}

void SliceOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                        const StepScalars&) const {
  const int64_t width = end_ - begin_, channels = inputs[0].type.shape[-1];
  for (int64_t i = 0; i < outputs[0].type.shape.elements(); ++i) {
    outputs[0].begin()[i] = inputs[0].begin()[i / width * channels + begin_ + i % width];
  }
}

std::vector<TensorType> SliceGradOp::infer(std::span<const TensorType> inputs) const {
  expect_rank(*this, inputs, 0, 1, Shape::kMaxRank);
  const int64_t width = inputs[0].shape[-1];
  if (begin_ < 0 || channels_ < width || begin_ > channels_ - width) {
    throw Error(fmt::format("slice_grad: {} channels from {} on do not fit into {}", width, begin_, channels_));
  }
  return {with_channels(inputs[0], channels_)};
}

void SliceGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                            const StepScalars&) const {
  const int64_t width = inputs[0].type.shape[-1];
  for (int64_t i = 0; i < inputs[0].type.shape.elements(); ++i) {
    outputs[0].begin()[i / width * channels_ + begin_ + i % width] = inputs[0].begin()[i];
  }
}

std::vector<OpType> slice_ops() { return {op_type<SliceOp>(), op_type<SliceGradOp>()}; }

Value slice_channels(Value x, int64_t begin, int64_t end) { return append(std::make_shared<SliceOp>(begin, end), {x}); }

}  // namespace convoy
