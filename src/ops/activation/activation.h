// Activation functions, element by element.
#pragma once

#include "convoy/op.h"

namespace convoy {

// Input: any tensor. Output: function(input).
class ActivationOp : public OpOf<ActivationOp> {
 public:
  static constexpr std::string_view kName = "activation";
  static constexpr Slot kSlots[] = {{"input"}};

  explicit ActivationOp(Activation function = Activation::none) : function_(function) {}

  Activation function() const { return function_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("function", self.function_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override { return {{inputs[0].shape}}; }
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  std::optional<RowWindow> row_window(int) const override { return RowWindow(); }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  Activation function_;
};

// Inputs: saved, which is x (or function(x) where derivative_from_output), grad_output, addend or absent.
// Output: grad_output * function'(x) + addend.
class ActivationGradOp : public OpOf<ActivationGradOp> {
 public:
  static constexpr std::string_view kName = "activation_grad";
  static constexpr Slot kSlots[] = {{"saved"}, {"grad_output"}, {"addend", Slot::Kind::optional}};

  explicit ActivationGradOp(Activation function = Activation::none) : function_(function) {}

  Activation function() const { return function_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("function", self.function_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 1}, {0, 2}, {0, 0}}; }
  int addend() const override { return 2; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  Activation function_;
};

// The function in double precision.
double activate_reference(Activation function, double x);
// Its derivative, at a kink as PyTorch has it; x may be function(x) where derivative_from_output.
double activation_derivative_reference(Activation function, double x);

}  // namespace convoy
