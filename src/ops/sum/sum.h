// The sum of any number of like-shaped tensors.
#pragma once

#include "graph/op.h"

namespace convoy {

// Inputs: one or more tensors of one shape. Output: their sum, added in order. of_gradients: of a value that takes part
// several times; passes tell them from the network's own.
class SumOp : public Op {
 public:
  explicit SumOp(bool of_gradients = false) : of_gradients_(of_gradients) {}

  bool of_gradients() const { return of_gradients_; }

  std::string_view name() const override { return "sum"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  bool of_gradients_;
};

}  // namespace convoy
