#include "kernels/softmax.h"

#include <cmath>

#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::check_kernel;
using testing::expect_close;
using testing::for_every_isa;
using testing::Guarded;
using testing::random_floats;

struct Case {
  int64_t rows, classes;
  float spread;  // logits lie in [-spread, spread]
};
constexpr Case kCases[] = {{1, 1, 1}, {3, 2, 50}, {64, 10, 5}, {7, 37, 100}, {50, 1000, 3}};

class Softmax : public ::testing::TestWithParam<Case> {
 protected:
  const int64_t rows = GetParam().rows, classes = GetParam().classes, count = rows * classes;
  const std::vector<float> input = random_floats(count, 0, -GetParam().spread, GetParam().spread);
  const std::vector<float> grad = random_floats(count, 1);
  const std::vector<float> targets = random_floats(count, 2, 0.0F, 2.0F / static_cast<float>(classes));

  const std::vector<double> log_sums = [this] {
    std::vector<double> sums(static_cast<size_t>(rows));
    for (int64_t i = 0; i < count; ++i) {
      sums[static_cast<size_t>(i / classes)] += std::exp(double{input[static_cast<size_t>(i)]});
    }
    for (double& sum : sums) sum = std::log(sum);
    return sums;
  }();

  double log_sum(int64_t row) const { return log_sums[static_cast<size_t>(row)]; }
  std::vector<double> probabilities() const {
    std::vector<double> result;
    for (int64_t i = 0; i < count; ++i) {
      result.push_back(std::exp(input[static_cast<size_t>(i)] - log_sum(i / classes)));
    }
    return result;
  }
  double smooth_target(int64_t i, double smoothing) const {
    return targets[static_cast<size_t>(i)] * (1 - smoothing) + smoothing / static_cast<double>(classes);
  }
  std::vector<double> losses(double smoothing) const {
    std::vector<double> result(static_cast<size_t>(rows));
    for (int64_t i = 0; i < count; ++i) {
      result[static_cast<size_t>(i / classes)] +=
          smooth_target(i, smoothing) * (log_sum(i / classes) - input[static_cast<size_t>(i)]);
    }
    return result;
  }
};

TEST_P(Softmax, Forward) {
  const std::vector<double> expected = probabilities();
  check_kernel(
      count, [&](float* y) { softmax_kernels().forward(rows, classes, input.data(), y); },
      [&](const std::vector<float>& y) {
        expect_close(y, 3e-7, [&](int64_t i) { return expected[static_cast<size_t>(i)]; });
      });
}

TEST_P(Softmax, Backward) {
  const std::vector<double> y = probabilities();
  const std::vector<float> output(y.begin(), y.end());
  std::vector<double> dots(static_cast<size_t>(rows));
  for (size_t i = 0; i < y.size(); ++i) dots[i / static_cast<size_t>(classes)] += y[i] * grad[i];
  check_kernel(
      count, [&](float* g) { softmax_kernels().backward(rows, classes, output.data(), grad.data(), g); },
      [&](const std::vector<float>& values) {
        expect_close(values, 1e-6, [&](int64_t at) {
          const auto i = static_cast<size_t>(at);
          return y[i] * (grad[i] - dots[i / static_cast<size_t>(classes)]);
        });
      });
}

TEST_P(Softmax, CrossEntropy) {
  for (const float smoothing : {0.0F, 0.1F}) {
    const std::vector<double> expected = losses(smoothing);
    double mean = 0;
    for (const double loss : expected) mean += loss / static_cast<double>(rows);
    Guarded actual_mean(1);
    check_kernel(
        rows,
        [&](float* y) {
          softmax_kernels().cross_entropy(rows, classes, smoothing, input.data(), targets.data(), y,
                                          actual_mean.data());
        },
        [&](const std::vector<float>& y) {
          expect_close(y, 1e-6, [&](int64_t i) { return expected[static_cast<size_t>(i)]; });
          expect_close(actual_mean.values(), 1e-6, [&](int64_t) { return mean; });
        });
  }
}

TEST_P(Softmax, CrossEntropyBackward) {
  constexpr double kSmoothing = 0.1, kGrad = 1.75;
  const std::vector<double> p = probabilities();
  std::vector<double> weights(static_cast<size_t>(rows));
  for (int64_t i = 0; i < count; ++i) weights[static_cast<size_t>(i / classes)] += smooth_target(i, kSmoothing);
  const float grad_mean = static_cast<float>(kGrad);
  check_kernel(
      count,
      [&](float* y) {
        softmax_kernels().cross_entropy_backward(rows, classes, static_cast<float>(kSmoothing), input.data(),
                                                 targets.data(), &grad_mean, y);
      },
      [&](const std::vector<float>& y) {
        expect_close(y, 1e-6, [&](int64_t i) {
          const double weight = weights[static_cast<size_t>(i / classes)];
          return kGrad / static_cast<double>(rows) *
                 (p[static_cast<size_t>(i)] * weight - smooth_target(i, kSmoothing));
        });
      });
}

INSTANTIATE_TEST_SUITE_P(Shapes, Softmax, ::testing::ValuesIn(kCases));

// torch.nn.functional.cross_entropy(x, t, label_smoothing=0.1) and its gradient, PyTorch 2.15 in float64.
TEST(CrossEntropy, AgreesWithPyTorch) {
  const float logits[] = {1.0F, -2.0F, 0.5F, 0.0F, 3.0F, -1.0F}, targets[] = {0.3F, 0.7F, 0.0F, 0.0F, 1.0F, 0.0F};
  const double losses[] = {2.5112635690, 0.2992172371},
               grads[] = {0.1502077814, -0.3166372229, 0.1664294415, 0.0066396446, 0.0014531093, -0.0080927539};
  for_every_isa([&] {
    float actual_losses[2], mean, grad[6];
    const float one = 1;
    softmax_kernels().cross_entropy(2, 3, 0.1F, logits, targets, actual_losses, &mean);
    softmax_kernels().cross_entropy_backward(2, 3, 0.1F, logits, targets, &one, grad);
    for (int i = 0; i < 2; ++i) EXPECT_NEAR(actual_losses[i], losses[i], 1e-6);
    EXPECT_NEAR(mean, (losses[0] + losses[1]) / 2, 1e-6);
    for (int i = 0; i < 6; ++i) EXPECT_NEAR(grad[i], grads[i], 1e-7);
  });
}

TEST(CrossEntropy, LargeLogitsStayFinite) {
  const float logits[] = {1e5F, -1e5F, 3e38F, 0.0F}, targets[] = {1, 0, 1, 0};
  for_every_isa([&] {
    float losses[2], mean, grad[4];
    const float one = 1;
    softmax_kernels().cross_entropy(2, 2, 0, logits, targets, losses, &mean);
    softmax_kernels().cross_entropy_backward(2, 2, 0, logits, targets, &one, grad);
    EXPECT_EQ(mean, 0);
    for (const float g : grad) EXPECT_EQ(g, 0);
  });
}

}  // namespace
}  // namespace convoy::kernels
