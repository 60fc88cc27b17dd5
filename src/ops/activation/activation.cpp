#include "ops/activation/activation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "kernels/elementwise.h"
#include "ops/append.h"

namespace convoy {

double activate_reference(Activation function, double x) {
  const double hard = std::clamp(x + 3, 0.0, 6.0) / 6;
  switch (function) {
    case Activation::none: return x;
    case Activation::relu: return std::max(x, 0.0);
    case Activation::relu6: return std::clamp(x, 0.0, 6.0);
    case Activation::leaky_relu: return x > 0 ? x : 0.01 * x;
    case Activation::silu: return x / (1 + std::exp(-x));
    case Activation::hard_swish: return x * hard;
    case Activation::hard_sigmoid: return hard;
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::gelu: return 0.5 * x * std::erfc(-x / std::numbers::sqrt2);
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  }
  return x;
}

void ActivationOp::gradient(GradientScope& scope) const {
  const ValueId saved = derivative_from_output(function_) ? scope.output(0) : scope.input(0);
  scope.set_grad_input(
      0, scope.add(std::make_shared<ActivationGradOp>(function_), {saved, scope.grad_output(0), kNoValue})[0]);
}

void ActivationOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  for (size_t i = 0; i < outputs[0].data.size(); ++i) {
    outputs[0].data[i] = activate_reference(function_, inputs[0].data[i]);
  }
}

std::span<const Kernel> ActivationOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         kernels::elementwise_kernels().activation(static_cast<const ActivationOp&>(spec.op).function(),
                                                   spec.inputs[0].shape.elements(), memory.input(0), memory.output(0));
       }},
  };
  return kTable;
}

std::span<const Kernel> ActivationGradOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         kernels::elementwise_kernels().activation_backward(static_cast<const ActivationGradOp&>(spec.op).function(),
                                                            spec.inputs[0].shape.elements(), memory.input(0),
                                                            memory.input(1), memory.input(2), memory.output(0));
       }},
  };
  return kTable;
}

Value activation(Value x, Activation function) {
  if (function == Activation::none) return x;
  return append(std::make_shared<ActivationOp>(function), {x});
}

}  // namespace convoy
