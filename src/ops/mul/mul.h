// The product of two tensors, element by element.
#pragma once

#include "convoy/op.h"

namespace convoy {

// Inputs: a, b of one shape. Output: a * b.
class MulOp : public OpOf<MulOp> {
 public:
  static constexpr std::string_view kName = "mul";
  static constexpr Slot kSlots[] = {{"a"}, {"b"}};

  template <class Self, class Visitor>
  static void describe(Self&, Visitor&) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}, {0, 1}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

// Inputs: a, b, grad_output. Outputs: the gradients of a and of b, each where it is wanted.
class MulGradOp : public OpOf<MulGradOp> {
 public:
  static constexpr std::string_view kName = "mul_grad";
  static constexpr Slot kSlots[] = {{"a"}, {"b"}, {"grad_output"}};

  explicit MulGradOp(bool wants_a = true, bool wants_b = true) : wants_a_(wants_a), wants_b_(wants_b) {}

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("wants_a", self.wants_a_, true);
    visit("wants_b", self.wants_b_, true);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 2}, {1, 2}, {1, 0}, {1, 1}}; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  bool wants_a_, wants_b_;
};

}  // namespace convoy
