// Softmax over the last axis.
#pragma once

#include "convoy/op.h"

namespace convoy {

// Input {..., C}. Output: exp(input) / its sum over the last axis.
class SoftmaxOp : public OpOf<SoftmaxOp> {
 public:
  static constexpr std::string_view kName = "softmax";
  static constexpr Slot kSlots[] = {{"input"}};

  template <class Self, class Visitor>
  static void describe(Self&, Visitor&) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

// Inputs: the softmax's output, grad_output. Output: the gradient of its input.
class SoftmaxGradOp : public OpOf<SoftmaxGradOp> {
 public:
  static constexpr std::string_view kName = "softmax_grad";
  static constexpr Slot kSlots[] = {{"output"}, {"grad_output"}};

  template <class Self, class Visitor>
  static void describe(Self&, Visitor&) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 1}}; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

}  // namespace convoy
