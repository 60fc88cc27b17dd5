#include "ops/all_reduce/all_reduce.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

std::vector<TensorType> same_types(const Op& op, std::span<const TensorType> inputs, int64_t tensors) {
  if (static_cast<int64_t>(inputs.size()) != tensors) {
    throw Error(fmt::format("{}: expected {} tensors, got {}", op.name(), tensors, inputs.size()));
  }
  return {inputs.begin(), inputs.end()};
}

std::vector<std::pair<int, int>> each_in_place(int64_t tensors) {
  std::vector<std::pair<int, int>> pairs;
  for (int i = 0; i < tensors; ++i) pairs.emplace_back(i, i);
  return pairs;
}

}  // namespace

std::vector<TensorType> AllReduceOp::infer(std::span<const TensorType> inputs) const {
  return same_types(*this, inputs, tensors_);
}

std::vector<std::pair<int, int>> AllReduceOp::in_place() const { return each_in_place(tensors_); }

// At once: tensors of the reference do not last until the wait.
void AllReduceOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                            const StepScalars&) const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (size_t k = 0; k < inputs[i].data.size(); ++k) outputs[i].data[k] = double{scale_} * inputs[i].data[k];
    if (world_ != nullptr) world_->sum(outputs[i].data);
  }
}

std::vector<TensorType> AllReduceWaitOp::infer(std::span<const TensorType> inputs) const {
  return same_types(*this, inputs, tensors_);
}

std::vector<std::pair<int, int>> AllReduceWaitOp::in_place() const { return each_in_place(tensors_); }

void AllReduceWaitOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                const StepScalars&) const {
  for (size_t i = 0; i < inputs.size(); ++i) outputs[i].data = inputs[i].data;
}

std::vector<OpType> all_reduce_ops() { return {op_type<AllReduceOp>(), op_type<AllReduceWaitOp>()}; }

}  // namespace convoy
