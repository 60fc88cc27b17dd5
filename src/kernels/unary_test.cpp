#include "kernels/unary.h"

#include <cmath>
#include <limits>

#include "core/unary.h"
#include "kernels/streaming.h"
#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::check_kernel;
using testing::for_every_isa;
using testing::random_floats;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr UnaryFunction kFunctions[] = {UnaryFunction::tanh, UnaryFunction::erf,  UnaryFunction::exp,
                                        UnaryFunction::log,  UnaryFunction::sqrt, UnaryFunction::reciprocal,
                                        UnaryFunction::abs};

double reference(UnaryFunction function, double x) {
  switch (function) {
    case UnaryFunction::tanh: return std::tanh(x);
    case UnaryFunction::erf: return std::erf(x);
    case UnaryFunction::exp: return std::exp(x);
    case UnaryFunction::log: return std::log(x);
    case UnaryFunction::sqrt: return std::sqrt(x);
    case UnaryFunction::reciprocal: return 1 / x;
    case UnaryFunction::abs: return std::fabs(x);
  }
  return NAN;
}

// In terms of x, in other words than the kernels'.
double reference_grad(UnaryFunction function, double x) {
  switch (function) {
    case UnaryFunction::tanh: return 1 / (std::cosh(x) * std::cosh(x));
    case UnaryFunction::erf: return std::sqrt(4 / M_PI) * std::exp(-x * x);
    case UnaryFunction::exp: return std::exp(x);
    case UnaryFunction::log: return 1 / x;
    case UnaryFunction::sqrt: return 0.5 * std::pow(x, -0.5);
    case UnaryFunction::reciprocal: return -std::pow(x, -2);
    case UnaryFunction::abs: return std::copysign(1.0, x);
  }
  return NAN;
}

bool is_for_positive(UnaryFunction function) {
  return function == UnaryFunction::log || function == UnaryFunction::sqrt;
}

// Densely around 0, and by powers of 1.01 from 1e-30 to 1e30, of both signs where the function has both.
std::vector<float> test_points(UnaryFunction function) {
  std::vector<float> points;
  for (int i = 1; i <= 12000; ++i) points.push_back(static_cast<float>(i) * 0.001F + 0.00037F);
  for (double x = 1e-30; x < 1e30; x *= 1.01) points.push_back(static_cast<float>(x));
  const size_t positive = points.size();
  for (size_t i = 0; i < positive && !is_for_positive(function); ++i) points.push_back(-points[i]);
  return points;
}

// The distance to the next float; of results below the normal ones and above the largest, that of those.
double ulp(double y) {
  const double magnitude = std::fmin(std::fmax(std::fabs(y), 1.1754944e-38), 3.4e38);
  return std::ldexp(1.0, std::ilogb(magnitude) - 23);
}

TEST(Unary, EveryElementIsWithinFourUlp) {
  for (const UnaryFunction function : kFunctions) {
    SCOPED_TRACE(to_string(function));
    const std::vector<float> input = test_points(function);
    std::vector<float> output(input.size());
    for_every_isa([&] {
      unary(function, static_cast<int64_t>(input.size()), input.data(), output.data());
      for (size_t i = 0; i < input.size(); ++i) {
        const double expected = reference(function, input[i]);
        if (std::fabs(expected) > 3.4028235e38) {
          ASSERT_EQ(output[i], kInfinity) << input[i];
        } else {
          ASSERT_LE(std::fabs(output[i] - expected), 4 * ulp(expected)) << input[i] << " gave " << output[i];
        }
      }
    });
  }
}

TEST(Unary, GradientMatchesDoublePrecision) {
  for (const UnaryFunction function : kFunctions) {
    SCOPED_TRACE(to_string(function));
    std::vector<float> input;
    for (const float x : test_points(function)) {
      if (std::fabs(x) > 1e-3F && x < 80.0F) input.push_back(x);
    }
    const auto count = static_cast<int64_t>(input.size());
    std::vector<float> saved(input.size()), grad(input.size());
    const std::vector<float> grad_output = random_floats(count, 0);
    for_every_isa([&] {
      saved = input;
      if (derivative_from_output(function)) unary(function, count, input.data(), saved.data());
      unary_kernels().backward(function, count, saved.data(), grad_output.data(), grad.data());
      for (size_t i = 0; i < input.size(); ++i) {
        const double expected = grad_output[i] * reference_grad(function, input[i]);
        ASSERT_LE(std::fabs(grad[i] - expected), 6e-7 * std::fmax(1.0, std::fabs(expected))) << input[i];
      }
    });
  }
}

TEST(Unary, CountsThatNoVectorDividesAndStores) {
  for (const UnaryFunction function : kFunctions) {
    SCOPED_TRACE(to_string(function));
    for (const int64_t count : {int64_t{1}, int64_t{37}, int64_t{40003}, kStreamedFloats + 5}) {
      const std::vector<float> input = random_floats(count, 0, 0.5F, 3.0F), grad = random_floats(count, 1);
      check_kernel(
          count, [&](float* y) { unary(function, count, input.data(), y); },
          [&](const std::vector<float>& y) {
            testing::expect_close(y, 1e-6,
                                  [&](int64_t i) { return reference(function, input[static_cast<size_t>(i)]); });
          });
      if (derivative_from_output(function)) continue;
      check_kernel(
          count, [&](float* y) { unary_kernels().backward(function, count, input.data(), grad.data(), y); },
          [&](const std::vector<float>& y) {
            testing::expect_close(y, 1e-6, [&](int64_t i) {
              return grad[static_cast<size_t>(i)] * reference_grad(function, input[static_cast<size_t>(i)]);
            });
          });
    }
  }
}

TEST(Unary, MayBeComputedInPlace) {
  const std::vector<float> input = random_floats(1003, 0, 0.5F, 3.0F);
  for_every_isa([&] {
    for (const UnaryFunction function : kFunctions) {
      std::vector<float> apart(input.size()), within = input;
      unary(function, 1003, input.data(), apart.data());
      unary(function, 1003, within.data(), within.data());
      EXPECT_TRUE(testing::same_bits(within, apart)) << to_string(function);
    }
  });
}

TEST(Unary, ExtremesAreTheStandardLibrarysAndNotANumberPropagates) {
  const float input[] = {kInfinity, -kInfinity, NAN, 0.0F, 3e38F, -3e38F, 1e-40F, -NAN};
  for_every_isa([&] {
    for (const UnaryFunction function : kFunctions) {
      SCOPED_TRACE(to_string(function));
      float output[8], grad[8];
      const float ones[] = {1, 1, 1, 1, 1, 1, 1, 1};
      unary(function, 8, input, output);
      unary_kernels().backward(function, 8, input, ones, grad);
      for (int i = 0; i < 8; ++i) {
        const auto expected = static_cast<float>(reference(function, input[i]));
        if (std::isnan(expected)) {
          EXPECT_TRUE(std::isnan(output[i])) << input[i] << " gave " << output[i];
        } else {
          EXPECT_FLOAT_EQ(output[i], expected) << input[i];
        }
        if (std::isnan(input[i])) {
          EXPECT_TRUE(std::isnan(grad[i])) << grad[i];
        }
      }
    }
  });
}

TEST(Unary, GradientOfAbsIsZeroAtZero) {
  const float input[] = {0.0F, -0.0F, 1e-40F, -1e-40F, 2.0F}, expected[] = {0, 0, 3, -3, 3};
  const float threes[] = {3, 3, 3, 3, 3};
  for_every_isa([&] {
    float grad[5];
    unary_kernels().backward(UnaryFunction::abs, 5, input, threes, grad);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(grad[i], expected[i]) << input[i];
  });
}

}  // namespace
}  // namespace convoy::kernels
