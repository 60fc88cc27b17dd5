#include "ops/slice/slice.h"

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "kernels/rearrange.h"
#include "ops/append.h"

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

void SliceOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  const int64_t width = end_ - begin_, channels = inputs[0].type.shape[-1];
  for (int64_t i = 0; i < outputs[0].type.shape.elements(); ++i) {
    outputs[0].begin()[i] = inputs[0].begin()[i / width * channels + begin_ + i % width];
  }
}

std::vector<TensorType> SliceGradOp::infer(std::span<const TensorType> inputs) const {
  return {with_channels(inputs[0], channels_)};
}

std::span<const Kernel> SliceOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"copy", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         const int64_t width = spec.outputs[0].shape[-1];
         kernels::extract(spec.outputs[0].shape.elements() / width, spec.inputs[0].shape[-1],
                          static_cast<const SliceOp&>(spec.op).begin(), memory.input(0), width, memory.output(0));
       }},
  };
  return kTable;
}

std::span<const Kernel> SliceGradOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"copy", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         const int64_t width = spec.inputs[0].shape[-1];
         kernels::pad(spec.inputs[0].shape.elements() / width, width, memory.input(0), spec.outputs[0].shape[-1],
                      static_cast<const SliceGradOp&>(spec.op).begin(), memory.output(0));
       }},
  };
  return kTable;
}

Value slice_channels(Value x, int64_t begin, int64_t end) { return append(std::make_shared<SliceOp>(begin, end), {x}); }

}  // namespace convoy
