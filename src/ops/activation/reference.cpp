// Activation functions and their derivatives in double precision.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "ops/activation/activation.h"

namespace convoy {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// The cumulative normal distribution and its density.
double normal(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }
double normal_density(double x) { return std::exp(-0.5 * x * x) * std::numbers::inv_sqrtpi / std::numbers::sqrt2; }

// gelu_tanh(x) = x / 2 (1 + tanh(kTanhScale (x + kTanhCubic x^3))).
constexpr double kTanhScale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
constexpr double kTanhCubic = 0.044715;

}  // namespace

double activate_reference(Activation function, double x) {
  const double hard = std::clamp(x + 3, 0.0, 6.0) / 6;
  switch (function) {
    case Activation::none: return x;
    case Activation::relu: return std::max(x, 0.0);
    case Activation::relu6: return std::clamp(x, 0.0, 6.0);
    case Activation::leaky_relu: return x > 0 ? x : 0.01 * x;
    case Activation::silu: return x * sigmoid(x);
    case Activation::hard_swish: return x * hard;
    case Activation::hard_sigmoid: return hard;
    case Activation::sigmoid: return sigmoid(x);
    case Activation::gelu: return x * normal(x);
    case Activation::gelu_tanh: return 0.5 * x * (1 + std::tanh(kTanhScale * (x + kTanhCubic * x * x * x)));
  }
  return x;
}

double activation_derivative_reference(Activation function, double x) {
  const double s = sigmoid(x);
  switch (function) {
    case Activation::none: return 1;
    case Activation::relu: return x > 0 ? 1 : 0;
    case Activation::relu6: return x > 0 && x < 6 ? 1 : 0;
    case Activation::leaky_relu: return x > 0 ? 1 : 0.01;
    case Activation::silu: return s + x * s * (1 - s);
    case Activation::hard_swish: return x <= -3 ? 0 : x < 3 ? x / 3 + 0.5 : 1;
    case Activation::hard_sigmoid: return x > -3 && x < 3 ? 1.0 / 6 : 0;
    case Activation::sigmoid: return s * (1 - s);
    case Activation::gelu: return normal(x) + x * normal_density(x);
    case Activation::gelu_tanh: {
      const double t = std::tanh(kTanhScale * (x + kTanhCubic * x * x * x));
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * kTanhScale * (1 + 3 * kTanhCubic * x * x);
    }
  }
  return 1;
}

void ActivationOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                             const StepScalars&) const {
  for (size_t i = 0; i < outputs[0].data.size(); ++i) {
    outputs[0].data[i] = activate_reference(function_, inputs[0].data[i]);
  }
}

void ActivationGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                 const StepScalars&) const {
  for (size_t i = 0; i < outputs[0].data.size(); ++i) {
    outputs[0].data[i] = inputs[1].data[i] * activation_derivative_reference(function_, inputs[0].data[i]);
    if (inputs[2].type.present) outputs[0].data[i] += inputs[2].data[i];
  }
}

}  // namespace convoy
