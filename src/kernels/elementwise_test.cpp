#include "kernels/elementwise.h"

#include "core/buffer.h"
#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::check_kernel;
using testing::expect_close;
using testing::for_every_isa;
using testing::Guarded;
using testing::random_floats;

constexpr int64_t kCounts[] = {1, 3, 16, 31, 1000, 16384 * 2 + 5};

TEST(Elementwise, ActivationAndItsBackwardInPlace) {
  for (const int64_t count : kCounts) {
    const std::vector<float> x = random_floats(count, 0), grad = random_floats(count, 1),
                             more = random_floats(count, 2);
    check_kernel(
        count,
        [&](float* output) {
          std::copy(x.begin(), x.end(), output);
          elementwise_kernels().f32.activation(Activation::relu, count, output, output);
        },
        [&](const std::vector<float>& y) {
          expect_close(y, 0, [&](int64_t i) { return std::max(0.0F, x[static_cast<size_t>(i)]); });
        });
    check_kernel(
        count,
        [&](float* output) {
          std::copy(grad.begin(), grad.end(), output);
          elementwise_kernels().f32.activation_backward(Activation::relu, count, x.data(), output, more.data(), output);
        },
        [&](const std::vector<float>& y) {
          expect_close(y, 1e-7, [&](int64_t at) {
            const auto i = static_cast<size_t>(at);
            return (x[i] > 0 ? static_cast<double>(grad[i]) : 0) + more[i];
          });
        });
  }
}

TEST(Elementwise, AddSumsAnyNumberOfTermsInPlace) {
  for (const int64_t count : kCounts) {
    for (const int terms : {1, 2, 3, 5}) {
      std::vector<std::vector<float>> inputs;
      for (int term = 0; term < terms; ++term) inputs.push_back(random_floats(count, static_cast<uint64_t>(term)));
      check_kernel(
          count,
          [&](float* output) {
            std::copy(inputs[0].begin(), inputs[0].end(), output);
            std::vector<const float*> pointers{output};
            for (int term = 1; term < terms; ++term) pointers.push_back(inputs[static_cast<size_t>(term)].data());
            elementwise_kernels().f32.add(terms, count, pointers.data(), output);
          },
          [&](const std::vector<float>& y) {
            expect_close(y, 1e-6, [&](int64_t i) {
              double sum = 0;
              for (const auto& input : inputs) sum += input[static_cast<size_t>(i)];
              return sum;
            });
          });
    }
  }
}

TEST(Elementwise, ScaleSamplesWithAndWithoutAddend) {
  for (const int64_t per_sample : {1, 7, 48, 16384 + 3}) {
    constexpr int64_t kSamples = 5;
    const std::vector<float> scales{0.0F, 1.25F, -2.0F, 1.0F, 0.5F};
    const std::vector<float> x = random_floats(kSamples * per_sample, 0), y = random_floats(kSamples * per_sample, 1);
    for (const bool with_addend : {false, true}) {
      check_kernel(
          kSamples * per_sample,
          [&](float* output) {
            elementwise_kernels().f32.scale_samples(kSamples, per_sample, scales.data(), x.data(),
                                                    with_addend ? y.data() : nullptr, output);
          },
          [&](const std::vector<float>& values) {
            expect_close(values, 2e-7, [&](int64_t at) {
              const auto i = static_cast<size_t>(at), n = static_cast<size_t>(at / per_sample);
              return static_cast<double>(scales[n]) * x[i] + (with_addend ? y[i] : 0.0F);
            });
          });
    }
  }
}

TEST(Elementwise, MultiplyAndItsBackward) {
  for (const int64_t count : kCounts) {
    const std::vector<float> a = random_floats(count, 0), b = random_floats(count, 1), grad = random_floats(count, 2);
    const auto product = [&](const std::vector<float>& left, const std::vector<float>& right) {
      return [&](const std::vector<float>& y) {
        expect_close(y, 1e-7, [&](int64_t i) {
          return static_cast<double>(left[static_cast<size_t>(i)]) * right[static_cast<size_t>(i)];
        });
      };
    };
    const auto kernels = []() -> const ElementwiseKernels<float>& { return elementwise_kernels().f32; };
    check_kernel(
        count, [&](float* y) { kernels().multiply(count, a.data(), b.data(), y); }, product(a, b));
    for (const bool both : {false, true}) {
      Guarded other(count);
      float* optional = both ? other.data() : nullptr;
      check_kernel(
          count, [&](float* y) { kernels().multiply_backward(count, a.data(), b.data(), grad.data(), y, optional); },
          product(grad, b));
      check_kernel(
          count, [&](float* y) { kernels().multiply_backward(count, a.data(), b.data(), grad.data(), optional, y); },
          product(grad, a));
    }
  }
}

// Outputs that do not fit in the caches and are aligned are written around them.
TEST(Elementwise, LargeAlignedOutputs) {
  constexpr int64_t kSamples = 3, kPerSample = (2 << 20) + 16, kTail = 5, kCount = kSamples * kPerSample + kTail;
  const std::vector<float> x = random_floats(kCount, 0), y = random_floats(kCount, 1), scales{2.0F, -0.5F, 1.0F};
  const Buffer checked(kCount * sizeof(float) + 64), other(kCount * sizeof(float) + 64);
  const auto run = [&](int64_t count, const auto& kernel, const auto& expected) {
    for_every_isa([&] {
      std::fill_n(checked.floats(), kCount + 16, -7.0F);
      kernel();
      for (int64_t i = 0; i < count; ++i) {
        ASSERT_FLOAT_EQ(checked.floats()[i], static_cast<float>(expected(static_cast<size_t>(i)))) << i;
      }
      ASSERT_EQ(checked.floats()[count], -7.0F);
    });
  };
  set_thread_count(2);
  run(
      kCount, [&] { elementwise_kernels().f32.activation(Activation::relu, kCount, x.data(), checked.floats()); },
      [&](size_t i) { return std::max(x[i], 0.0F); });
  const float* terms[] = {x.data(), y.data()};
  run(
      kCount, [&] { elementwise_kernels().f32.add(2, kCount, terms, checked.floats()); },
      [&](size_t i) { return x[i] + y[i]; });
  run(
      kSamples * kPerSample,
      [&] {
        elementwise_kernels().f32.scale_samples(kSamples, kPerSample, scales.data(), x.data(), nullptr,
                                                checked.floats());
      },
      [&](size_t i) { return x[i] * scales[i / kPerSample]; });
  run(
      kCount,
      [&] {
        elementwise_kernels().f32.multiply_backward(kCount, x.data(), y.data(), y.data(), checked.floats(),
                                                    other.floats());
      },
      [&](size_t i) { return y[i] * y[i]; });
  run(
      kCount,
      [&] {
        elementwise_kernels().f32.multiply_backward(kCount, x.data(), y.data(), y.data(), other.floats(),
                                                    checked.floats());
      },
      [&](size_t i) { return y[i] * x[i]; });
}

}  // namespace
}  // namespace convoy::kernels
