#include "ops/concat/concat.h"

#include <fmt/format.h>

#include <algorithm>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "kernels/rearrange.h"
#include "ops/append.h"
#include "ops/slice/slice.h"

namespace convoy {
namespace {

void run(const NodeSpec& spec, const NodeMemory& memory) {
  const Shape& shape = spec.outputs[0].shape;
  const int64_t rows = shape.elements() / shape[-1];
  int64_t offset = 0;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    const int64_t width = spec.inputs[i].shape[-1];
    kernels::insert(rows, width, memory.input(static_cast<int>(i)), shape[-1], offset, memory.output(0));
    offset += width;
  }
}

}  // namespace

std::vector<TensorType> ConcatOp::infer(std::span<const TensorType> inputs) const {
  const Shape& first = inputs[0].shape;
  std::vector<int64_t> extents(first.extents().begin(), first.extents().end());
  if (extents.empty()) throw Error("concat: scalars have no channels to join");
  extents.back() = 0;
  for (const TensorType& input : inputs) {
    const auto other = input.shape.extents();
    if (other.size() != extents.size() || !std::equal(extents.begin(), extents.end() - 1, other.begin())) {
      throw Error(fmt::format("concat: expected shapes equal but for the channels, got {} and {}", first.to_string(),
                              input.shape.to_string()));
    }
    extents.back() += other.back();
  }
  return {{Shape(extents)}};
}

void ConcatOp::gradient(GradientScope& scope) const {
  int64_t offset = 0;
  for (size_t k = 0; k < scope.grad_inputs().size(); ++k) {
    const int i = static_cast<int>(k);
    const int64_t width = scope.shape(scope.input(i))[-1];
    if (scope.wants(i)) {
      scope.set_grad_input(i, scope.add(std::make_shared<SliceOp>(offset, offset + width), {scope.grad_output(0)})[0]);
    }
    offset += width;
  }
}

void ConcatOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  const int64_t channels = outputs[0].type.shape[-1];
  for (int64_t i = 0; i < outputs[0].type.shape.elements(); ++i) {
    int64_t channel = i % channels;
    size_t part = 0;
    while (channel >= inputs[part].type.shape[-1]) channel -= inputs[part++].type.shape[-1];
    outputs[0].begin()[i] = inputs[part].begin()[i / channels * inputs[part].type.shape[-1] + channel];
  }
}

std::span<const Kernel> ConcatOp::kernels() const {
  static constexpr Kernel kTable[] = {{"copy", nullptr, nullptr, run}};
  return kTable;
}

Value concat(const std::vector<Value>& parts) {
  if (parts.empty()) throw Error("concat: expected at least one tensor, got none");
  return append(std::make_shared<ConcatOp>(), parts);
}

}  // namespace convoy
