// Activation functions, element by element.
#pragma once

#include "core/activation.h"
#include "graph/op.h"

namespace convoy {

// Input: any tensor. Output: function(input).
class ActivationOp : public Op {
 public:
  explicit ActivationOp(Activation function) : function_(function) {}

  Activation function() const { return function_; }

  std::string_view name() const override { return "activation"; }
  std::string attributes() const override { return std::string(to_string(function_)); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override { return {inputs[0]}; }
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  Activation function_;
};

// Inputs: x (or function(x) where derivative_from_output), grad_output, addend or absent.
// Output: grad_output * function'(x) + addend.
class ActivationGradOp : public Op {
 public:
  explicit ActivationGradOp(Activation function) : function_(function) {}

  Activation function() const { return function_; }

  std::string_view name() const override { return "activation_grad"; }
  std::string attributes() const override { return std::string(to_string(function_)); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override { return {inputs[0]}; }
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 1}, {0, 2}, {0, 0}}; }
  int addend() const override { return 2; }
  std::span<const Kernel> kernels() const override;

 private:
  Activation function_;
};

// The function in double precision.
double activate_reference(Activation function, double x);

}  // namespace convoy
