#include "kernels/optimizer.h"

#include <cmath>

#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::check_kernel;
using testing::expect_close;
using testing::for_every_isa;
using testing::random_floats;

// Three steps with PyTorch 2.15 in float64: w = {1, -0.5, 0.25, 2}, gradients {0.5, -1, 2, 0.01} (s + 1) - 0.25 s.
class ThreeSteps {
 public:
  template <class Update>
  void expect(const Update& update, const std::vector<double>& torch) const {
    for_every_isa([&] {
      std::vector<float> weight{1.0F, -0.5F, 0.25F, 2.0F}, first(4), second(4);
      for (int s = 0; s < 3; ++s) {
        std::vector<float> grad{0.5F, -1.0F, 2.0F, 0.01F};
        for (float& g : grad) g = g * static_cast<float>(s + 1) - 0.25F * static_cast<float>(s);
        update(s + 1, grad.data(), weight.data(), first.data(), second.data());
      }
      for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(weight[i], torch[i], 3e-7) << i;
    });
  }
};

TEST(Optimizer, SgdAgreesWithPyTorch) {
  const auto sgd = [](float momentum, bool nesterov) {
    return [=](int, const float* grad, float* weight, float* m, float*) {
      optimizer_kernels().sgd({0.1F, momentum, 0.01F, 1.0F, nesterov}, 4, grad, weight, momentum == 0 ? nullptr : m);
    };
  };
  ThreeSteps().expect(sgd(0, false), {0.772177949, 0.176073601, -0.874974450, 2.062984997});
  ThreeSteps().expect(sgd(0.9F, false), {0.616659749, 0.550697701, -1.554766500, 2.076760397});
  ThreeSteps().expect(sgd(0.9F, true), {0.427550208, 1.120826185, -2.497646797, 2.132048063});
}

TEST(Optimizer, AdamAndAdamWAgreeWithPyTorch) {
  const auto adam = [](float l2, float keep) {
    return [=](int t, const float* grad, float* weight, float* m, float* v) {
      const AdamStep step{static_cast<float>(0.01 / (1 - std::pow(0.9, t))),
                          static_cast<float>(1 / std::sqrt(1 - std::pow(0.999, t))),
                          0.9F,
                          0.999F,
                          1e-8F,
                          l2,
                          keep,
                          1.0F};
      optimizer_kernels().adam(step, 4, grad, weight, m, v);
    };
  };
  ThreeSteps().expect(adam(0.1F, 1.0F), {0.970132971, -0.470961732, 0.220621248, 1.986856872});
  ThreeSteps().expect(adam(0.0F, 1.0F - 0.01F * 0.1F), {0.967252356, -0.469551530, 0.219914082, 1.999327771});
}

TEST(Optimizer, EveryElementOfAnyCountAndTheGradientScale) {
  for (const int64_t count : {1, 15, 1003, 40001}) {
    const std::vector<float> grad = random_floats(count, 0), weight = random_floats(count, 1);
    const std::vector<float> first = random_floats(count, 2), second = random_floats(count, 3, 0.1F, 2.0F);
    check_kernel(
        count,
        [&](float* w) {
          std::copy(weight.begin(), weight.end(), w);
          std::vector<float> m = first;
          optimizer_kernels().sgd({0.5F, 0.9F, 0.1F, 0.25F, true}, count, grad.data(), w, m.data());
        },
        [&](const std::vector<float>& w) {
          expect_close(w, 1e-6, [&](int64_t at) {
            const auto i = static_cast<size_t>(at);
            const double g = 0.25 * grad[i] + 0.1 * weight[i];
            return weight[i] - 0.5 * (g + 0.9 * (0.9 * first[i] + g));
          });
        });
    check_kernel(
        count,
        [&](float* w) {
          std::copy(weight.begin(), weight.end(), w);
          std::vector<float> m = first, v = second;
          const AdamStep step{0.5F, 2.0F, 0.9F, 0.99F, 0.01F, 0.1F, 0.75F, 0.25F};
          optimizer_kernels().adam(step, count, grad.data(), w, m.data(), v.data());
        },
        [&](const std::vector<float>& w) {
          expect_close(w, 1e-6, [&](int64_t at) {
            const auto i = static_cast<size_t>(at);
            const double g = 0.25 * grad[i] + 0.1 * weight[i];
            const double m = 0.9 * first[i] + 0.1 * g, v = 0.99 * second[i] + 0.01 * g * g;
            return 0.75 * weight[i] - 0.5 * m / (2 * std::sqrt(v) + 0.01);
          });
        });
    check_kernel(
        count,
        [&](float* average) {
          std::copy(weight.begin(), weight.end(), average);
          optimizer_kernels().moving_average(0.75F, count, grad.data(), average);
        },
        [&](const std::vector<float>& average) {
          expect_close(average, 2e-7, [&](int64_t at) {
            const auto i = static_cast<size_t>(at);
            return 0.75 * weight[i] + 0.25 * grad[i];
          });
        });
  }
}

TEST(Optimizer, EveryElementOfTheAdaptiveKernels) {
  for (const int64_t count : {1, 15, 1003, 40001}) {
    const std::vector<float> grad = random_floats(count, 0), weight = random_floats(count, 1);
    const std::vector<float> first = random_floats(count, 2), second = random_floats(count, 3, 0.1F, 2.0F);
    const auto check = [&](const auto& update, const auto& expected) {
      check_kernel(
          count,
          [&](float* w) {
            std::copy(weight.begin(), weight.end(), w);
            std::vector<float> m = first, v = second;
            update(w, m.data(), v.data());
          },
          [&](const std::vector<float>& w) {
            expect_close(w, 1e-6, [&](int64_t at) { return expected(static_cast<size_t>(at)); });
          });
    };
    for (const bool inside : {false, true}) {
      const RmspropStep step{0.5F, 0.25F, 0.9F, 0.01F, 0.8F, 0.1F, 0.75F, 0.25F, inside};
      check([&](float* w, float* m, float* v) { optimizer_kernels().rmsprop(step, count, grad.data(), w, v, m); },
            [&](size_t i) {
              const double g = 0.25 * grad[i] + 0.1 * weight[i], v = 0.9 * second[i] + 0.1 * g * g;
              const double root = inside ? std::sqrt(v + 0.01) : std::sqrt(v) + 0.01;
              return 0.75 * weight[i] - 0.25 * (0.8 * first[i] + 0.5 * g / root);
            });
    }
    check(
        [&](float* w, float* m, float*) {
          optimizer_kernels().lion({0.5F, 0.9F, 0.99F, 0.75F, 0.25F}, count, grad.data(), w, m);
        },
        [&](size_t i) {
          const double ahead = 0.9 * first[i] + 0.1 * 0.25 * grad[i];
          return 0.75 * weight[i] - (ahead > 0 ? 0.5 : ahead < 0 ? -0.5 : 0);
        });
    check(
        [&](float* direction, float* m, float* v) {
          const LambStep step{0.9F, 0.99F, 2.0F, 1.5F, 0.01F, 0.1F, 0.25F};
          optimizer_kernels().lamb(step, count, grad.data(), weight.data(), m, v, direction);
        },
        [&](size_t i) {
          const double g = 0.25 * grad[i], m = 0.9 * first[i] + 0.1 * g, v = 0.99 * second[i] + 0.01 * g * g;
          return 2 * m / (1.5 * std::sqrt(v) + 0.01) + 0.1 * weight[i];
        });
    check([&](float* w, float* m, float*) { optimizer_kernels().combine(count, 0.75F, w, -2.0F, m, w); },
          [&](size_t i) { return 0.75 * weight[i] - 2 * first[i]; });
  }
}

TEST(Optimizer, LionStandsStillWithoutAGradient) {
  for_every_isa([] {
    std::vector<float> weight{1.0F}, moment{0.0F};
    const float grad = 0;
    optimizer_kernels().lion({0.5F, 0.9F, 0.99F, 1.0F, 1.0F}, 1, &grad, weight.data(), moment.data());
    EXPECT_EQ(weight[0], 1.0F);
  });
}

TEST(Optimizer, SquaredNormIsTheSameForAnyNumberOfThreads) {
  for (const int64_t count : {1, 63, 16384, 100001}) {
    const std::vector<float> grad = random_floats(count, 0);
    double expected = 0;
    for (const float g : grad) expected += static_cast<double>(g) * g;
    std::vector<std::byte> workspace(squared_norm_workspace(count));
    for_every_isa([&] {
      double first = 0;
      for (const int threads : {1, 2, 3}) {
        set_thread_count(threads);
        const double norm = optimizer_kernels().squared_norm(count, grad.data(), workspace.data());
        if (threads == 1) first = norm;
        EXPECT_EQ(norm, first);
        EXPECT_NEAR(norm, expected, 1e-6 * expected);
      }
    });
  }
}

}  // namespace
}  // namespace convoy::kernels
