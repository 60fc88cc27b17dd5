#include "kernels/channel_scale.h"

#include "kernels/streaming.h"
#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::check_kernel;
using testing::expect_close;
using testing::Guarded;
using testing::random_floats;

constexpr ChannelScaleShape kShapes[] = {{1, 1, 1},
                                         {3, 49, 20},
                                         {1, 5000, 37},
                                         {2, 784, 64},
                                         {4, 1, 1000},
                                         {2, 9, 3},
                                         {kStreamedFloats / (400 * 48) + 1, 400, 48}};

class ChannelScale : public ::testing::TestWithParam<ChannelScaleShape> {
 protected:
  const ChannelScaleShape shape = GetParam();
  const int64_t elements = shape.samples * shape.rows * shape.channels;
  const std::vector<float> input = random_floats(elements, 0);
  const std::vector<float> scales = random_floats(shape.samples * shape.channels, 1);
  const std::vector<float> grad = random_floats(elements, 2);
  std::vector<std::byte> workspace = std::vector<std::byte>(channel_scale_workspace(shape));

  double scale_at(int64_t i) const {
    const int64_t sample = i / (shape.rows * shape.channels);
    return scales[static_cast<size_t>(sample * shape.channels + i % shape.channels)];
  }
  void expect_grad_scales(const std::vector<float>& values) const {
    std::vector<double> sums(values.size());
    for (int64_t i = 0; i < elements; ++i) {
      const auto target = i / (shape.rows * shape.channels) * shape.channels + i % shape.channels;
      sums[static_cast<size_t>(target)] +=
          static_cast<double>(grad[static_cast<size_t>(i)]) * input[static_cast<size_t>(i)];
    }
    expect_close(values, 5e-5, [&](int64_t i) { return sums[static_cast<size_t>(i)]; });
  }
};

TEST_P(ChannelScale, ForwardWithAndWithoutAddend) {
  for (const bool with_addend : {false, true}) {
    const float* addend = with_addend ? grad.data() : nullptr;
    check_kernel(
        elements, [&](float* y) { channel_scale_kernels().f32.forward(shape, input.data(), scales.data(), addend, y); },
        [&](const std::vector<float>& y) {
          expect_close(y, 3e-7, [&](int64_t at) {
            const auto i = static_cast<size_t>(at);
            return scale_at(at) * input[i] + (with_addend ? grad[i] : 0.0F);
          });
        });
  }
}

TEST_P(ChannelScale, GradInputAndGradScalesTogetherAndAlone) {
  for (const bool both : {true, false}) {
    Guarded grad_scales(shape.samples * shape.channels), grad_input(elements);
    check_kernel(
        elements,
        [&](float* y) {
          channel_scale_kernels().f32.backward(shape, input.data(), scales.data(), grad.data(), y,
                                               both ? grad_scales.data() : nullptr, workspace.data());
        },
        [&](const std::vector<float>& y) {
          expect_close(y, 1e-7, [&](int64_t i) { return scale_at(i) * grad[static_cast<size_t>(i)]; });
          if (both) expect_grad_scales(grad_scales.values());
        });
    check_kernel(
        shape.samples * shape.channels,
        [&](float* y) {
          channel_scale_kernels().f32.backward(shape, input.data(), scales.data(), grad.data(),
                                               both ? grad_input.data() : nullptr, y, workspace.data());
        },
        [&](const std::vector<float>& y) { expect_grad_scales(y); });
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ChannelScale, ::testing::ValuesIn(kShapes));

}  // namespace
}  // namespace convoy::kernels
