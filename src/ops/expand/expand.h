// Broadcasting.
#pragma once

#include "convoy/op.h"

namespace convoy {

// Inputs: input, like. Output: the input repeated to the shape that both have in common. Shapes are aligned at the last
// axis; extents are equal or 1, as numpy broadcasts. The elements of `like` are not read, and it has no gradient.
class ExpandOp : public OpOf<ExpandOp> {
 public:
  static constexpr std::string_view kName = "expand";
  static constexpr Slot kSlots[] = {{"input"}, {"like"}};

  template <class Self, class Visitor>
  static void describe(Self&, Visitor&) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

// Input: grad_output. Output: the sums of what each element of an input of that shape was repeated to.
class ExpandGradOp : public OpOf<ExpandGradOp> {
 public:
  static constexpr std::string_view kName = "expand_grad";
  static constexpr Slot kSlots[] = {{"grad_output"}};

  explicit ExpandGradOp(Shape shape = {}) : shape_(shape) {}

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("shape", self.shape_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  Shape shape_;
};

}  // namespace convoy
