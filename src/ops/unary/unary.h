// Functions of one number, element by element.
#pragma once

#include "convoy/op.h"

namespace convoy {

// Input: any tensor. Output: function(input).
class UnaryOp : public OpOf<UnaryOp> {
 public:
  static constexpr std::string_view kName = "unary";
  static constexpr Slot kSlots[] = {{"input"}};

  explicit UnaryOp(UnaryFunction function = UnaryFunction::tanh) : function_(function) {}

  UnaryFunction function() const { return function_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("function", self.function_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override { return {{inputs[0].shape}}; }
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  UnaryFunction function_;
};

// Inputs: saved, which is x (or function(x) where derivative_from_output), grad_output. Output: grad_output *
// function'(x).
class UnaryGradOp : public OpOf<UnaryGradOp> {
 public:
  static constexpr std::string_view kName = "unary_grad";
  static constexpr Slot kSlots[] = {{"saved"}, {"grad_output"}};

  explicit UnaryGradOp(UnaryFunction function = UnaryFunction::tanh) : function_(function) {}

  UnaryFunction function() const { return function_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("function", self.function_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 1}, {0, 0}}; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  UnaryFunction function_;
};

}  // namespace convoy
