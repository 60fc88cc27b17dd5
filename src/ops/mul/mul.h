// The product of two tensors, element by element.
#pragma once

#include "graph/op.h"

namespace convoy {

// Inputs: a, b of one shape. Output: a * b.
class MulOp : public Op {
 public:
  std::string_view name() const override { return "mul"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}, {0, 1}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;
};

// Inputs: a, b, grad_output. Outputs: the gradients of a and of b, each where it is wanted.
class MulGradOp : public Op {
 public:
  MulGradOp(bool wants_a, bool wants_b) : wants_a_(wants_a), wants_b_(wants_b) {}

  std::string_view name() const override { return "mul_grad"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 2}, {1, 2}, {1, 0}, {1, 1}}; }
  std::span<const Kernel> kernels() const override;

 private:
  bool wants_a_, wants_b_;
};

}  // namespace convoy
