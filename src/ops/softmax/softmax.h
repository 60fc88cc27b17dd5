// Softmax over the last axis.
#pragma once

#include "graph/op.h"

namespace convoy {

// Input {..., C}. Output: exp(input) / its sum over the last axis.
class SoftmaxOp : public Op {
 public:
  std::string_view name() const override { return "softmax"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;
};

// Inputs: the softmax's output, grad_output. Output: the gradient of its input.
class SoftmaxGradOp : public Op {
 public:
  std::string_view name() const override { return "softmax_grad"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override { return {inputs[0]}; }
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 1}}; }
  std::span<const Kernel> kernels() const override;
};

}  // namespace convoy
