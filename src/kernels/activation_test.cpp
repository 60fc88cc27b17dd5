#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/elementwise.h"
#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::for_every_isa;

constexpr Activation kActivations[] = {Activation::none,         Activation::relu,    Activation::relu6,
                                       Activation::leaky_relu,   Activation::silu,    Activation::hard_swish,
                                       Activation::hard_sigmoid, Activation::sigmoid, Activation::gelu,
                                       Activation::gelu_tanh};

double reference(Activation activation, double x) {
  const double hard = std::fmin(std::fmax(x + 3, 0.0), 6.0) / 6;
  switch (activation) {
    case Activation::none: return x;
    case Activation::relu: return x > 0 ? x : 0;
    case Activation::relu6: return std::fmin(std::fmax(x, 0.0), 6.0);
    case Activation::leaky_relu: return x > 0 ? x : 0.01 * x;
    case Activation::silu: return x / (1 + std::exp(-x));
    case Activation::hard_swish: return x * hard;
    case Activation::hard_sigmoid: return hard;
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::gelu: return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Activation::gelu_tanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  return NAN;
}

// Central difference: the derivative to 1e-9 away from kinks.
double reference_grad(Activation activation, double x) {
  constexpr double kStep = 1e-5;
  return (reference(activation, x + kStep) - reference(activation, x - kStep)) / (2 * kStep);
}

std::vector<float> test_points() {
  std::vector<float> points;
  for (int i = -12000; i <= 12000; ++i) points.push_back(static_cast<float>(i) * 0.001F + 0.00037F);
  for (const float x : {-1e4F, -200.0F, -104.0F, -88.0F, -87.0F, -50.0F, -20.0F, 20.0F, 88.0F, 100.0F, 1e4F}) {
    points.push_back(x);
  }
  return points;
}

TEST(Activation, MatchesDoublePrecision) {
  const std::vector<float> input = test_points();
  std::vector<float> output(input.size());
  for_every_isa([&] {
    for (const Activation activation : kActivations) {
      elementwise_kernels().f32.activation(activation, static_cast<int64_t>(input.size()), input.data(), output.data());
      for (size_t i = 0; i < input.size(); ++i) {
        const double expected = reference(activation, input[i]);
        const double error = std::abs(output[i] - expected) / std::fmax(1.0, std::abs(expected));
        EXPECT_LE(error, 2e-7) << to_string(activation) << "(" << input[i] << ") = " << output[i];
      }
    }
  });
}

// Rounding a result to a brain float is off by 2^-8 of it at most; 2^-12 is left to the function itself, or 2^-30 where
// that is more, below gelu(-4.5).
TEST(Activation, OfBrainFloatsMatchesDoublePrecision) {
  std::vector<Bf16> input;
  for (const float x : test_points()) {
    if (const Bf16 rounded(x); input.empty() || static_cast<float>(input.back()) != static_cast<float>(rounded)) {
      input.push_back(rounded);
    }
  }
  const auto count = static_cast<int64_t>(input.size());
  std::vector<Bf16> output(input.size()), grad(input.size());
  const std::vector<Bf16> ones(input.size(), Bf16(1.0F));
  for_every_isa([&] {
    for (const Activation activation : kActivations) {
      SCOPED_TRACE(to_string(activation));
      elementwise_kernels().bf16.activation(activation, count, input.data(), output.data());
      elementwise_kernels().bf16.activation_backward(activation, count, input.data(), ones.data(), nullptr,
                                                     grad.data());
      constexpr double kRelative = 0x1p-8 + 0x1p-12;
      for (size_t i = 0; i < input.size(); ++i) {
        const double x = static_cast<float>(input[i]), expected = reference(activation, x);
        EXPECT_NEAR(static_cast<float>(output[i]), expected, kRelative * std::abs(expected) + 0x1p-30) << x;
        const bool kink = x == 0 || std::abs(x) == 3 || x == 6;
        const double slope = kink ? static_cast<double>(static_cast<float>(grad[i])) : reference_grad(activation, x);
        EXPECT_NEAR(static_cast<float>(grad[i]), slope, kRelative * std::fmax(0.5, std::abs(slope))) << x;
      }
    }
  });
}

TEST(Activation, GradientMatchesDoublePrecision) {
  const std::vector<float> input = test_points();
  std::vector<float> grad(input.size());
  const std::vector<float> ones(input.size(), 1.0F);
  for_every_isa([&] {
    for (const Activation activation : kActivations) {
      elementwise_kernels().f32.activation_backward(activation, static_cast<int64_t>(input.size()), input.data(),
                                                    ones.data(), nullptr, grad.data());
      for (size_t i = 0; i < input.size(); ++i) {
        const double expected = reference_grad(activation, input[i]);
        EXPECT_NEAR(grad[i], expected, 3e-7) << to_string(activation) << "'(" << input[i] << ")";
      }
    }
  });
}

// exp through sigmoid(-x) = exp(-x) / (1 + exp(-x)), which is exp(-x) itself for large x.
TEST(Activation, ExponentialKeepsItsRelativePrecision) {
  std::vector<float> input;
  for (float x = -87.0F; x < 0.0F; x += 0.00731F) input.push_back(x);
  std::vector<float> output(input.size());
  for_every_isa([&] {
    elementwise_kernels().f32.activation(Activation::sigmoid, static_cast<int64_t>(input.size()), input.data(),
                                         output.data());
    for (size_t i = 0; i < input.size(); ++i) {
      const double expected = reference(Activation::sigmoid, input[i]);
      EXPECT_LE(std::abs(output[i] - expected), 4e-7 * expected) << input[i];
    }
  });
}

// torch.nn.functional, PyTorch 2.15: the derivatives at the kinks.
TEST(Activation, GradientAtKinks) {
  struct Case {
    Activation activation;
    float x, slope;
  };
  constexpr Case kCases[] = {{Activation::relu, 0.0F, 0.0F},          {Activation::relu6, 0.0F, 0.0F},
                             {Activation::relu6, 6.0F, 0.0F},         {Activation::leaky_relu, 0.0F, 0.01F},
                             {Activation::hard_swish, -3.0F, 0.0F},   {Activation::hard_swish, 3.0F, 1.0F},
                             {Activation::hard_sigmoid, -3.0F, 0.0F}, {Activation::hard_sigmoid, 3.0F, 0.0F}};
  for_every_isa([&] {
    for (const Case& c : kCases) {
      const float one = 1.0F, addend = 0.25F;
      float grad = NAN;
      elementwise_kernels().f32.activation_backward(c.activation, 1, &c.x, &one, &addend, &grad);
      EXPECT_FLOAT_EQ(grad, c.slope + addend) << to_string(c.activation) << "'(" << c.x << ")";
    }
  });
}

TEST(Activation, ExtremesSaturateAndNotANumberPropagates) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float input[] = {kInfinity, 3e38F, NAN, -3e38F};
  for_every_isa([&] {
    for (const Activation activation : kActivations) {
      SCOPED_TRACE(to_string(activation));
      const bool bounded = activation == Activation::relu6 || activation == Activation::hard_sigmoid ||
                           activation == Activation::sigmoid;
      float output[4], grad[4];
      const float ones[] = {1, 1, 1, 1};
      elementwise_kernels().f32.activation(activation, 4, input, output);
      elementwise_kernels().f32.activation_backward(activation, 4, input, ones, nullptr, grad);
      EXPECT_EQ(std::isinf(output[0]), !bounded);
      EXPECT_TRUE(std::isnan(output[2]));
      EXPECT_TRUE(std::isfinite(grad[1]) && std::isfinite(grad[3]));
    }
  });
}

}  // namespace
}  // namespace convoy::kernels
