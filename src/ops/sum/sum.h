// The sum of any number of like-shaped tensors.
#pragma once

#include "graph/op.h"

namespace convoy {

// Inputs: one or more tensors of one shape. Output: their sum, added in order.
class SumOp : public Op {
 public:
  std::string_view name() const override { return "sum"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;
};

}  // namespace convoy
