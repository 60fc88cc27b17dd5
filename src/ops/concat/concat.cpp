#include "ops/concat/concat.h"

#include <fmt/format.h>

#include <algorithm>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/expect.h"
#include "ops/op_list.h"
#include "ops/slice/slice.h"

namespace convoy {

std::vector<TensorType> ConcatOp::infer(std::span<const TensorType> inputs) const {
  expect_rank(*this, inputs, 0, 1, Shape::kMaxRank);
  Shape joined = inputs[0].shape;
  std::vector<int64_t> extents(joined.extents().begin(), joined.extents().end());
  for (const TensorType& input : inputs.subspan(1)) {
    if (input.dtype != inputs[0].dtype) {
      throw Error(fmt::format("concat: expected tensors of one type, got {} and {}", to_string(inputs[0].dtype),
                              to_string(input.dtype)));
    }
    const auto other = input.shape.extents();
    if (other.size() != extents.size() || !std::equal(extents.begin(), extents.end() - 1, other.begin())) {
      throw Error(fmt::format("concat: expected shapes equal but for the channels, got {} and {}",
                              inputs[0].shape.to_string(), input.shape.to_string()));
    }
    extents.back() += other.back();
    joined = Shape(extents);  // refuses too many before the next are added
  }
  return {{joined, inputs[0].dtype}};
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

void ConcatOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                         const StepScalars&) const {
  const int64_t channels = outputs[0].type.shape[-1];
  for (int64_t i = 0; i < outputs[0].type.shape.elements(); ++i) {
    int64_t channel = i % channels;
    size_t part = 0;
    while (channel >= inputs[part].type.shape[-1]) channel -= inputs[part++].type.shape[-1];
    outputs[0].begin()[i] = inputs[part].begin()[i / channels * inputs[part].type.shape[-1] + channel];
  }
}

std::vector<OpType> concat_ops() { return {op_type<ConcatOp>()}; }

Value concat(const std::vector<Value>& parts) {
  if (parts.empty()) throw Error("concat: expected at least one tensor, got none");
  return append(std::make_shared<ConcatOp>(), parts);
}

}  // namespace convoy
