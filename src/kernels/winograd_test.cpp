// How exact Winograd convolutions are; conv_test.cpp holds them to the contracts of all kernels.
#include "kernels/winograd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/buffer.h"
#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

// Sums in double precision, and in float32 one product after the other.
struct Sums {
  std::vector<double> exact;
  std::vector<float> plain;
  explicit Sums(size_t size) : exact(size), plain(size) {}
  void add(size_t at, float a, float b) {
    exact[at] += static_cast<double>(a) * static_cast<double>(b);
    plain[at] += a * b;
  }
  double squared_error(const std::vector<float>& values) const {
    double squares = 0;
    for (size_t i = 0; i < exact.size(); ++i) squares += std::pow(static_cast<double>(values[i]) - exact[i], 2);
    return squares;
  }
  // Of `values`, as a multiple of that of the plain sums; root of the mean square.
  double error_of(const std::vector<float>& values) const {
    return std::sqrt(squared_error(values) / squared_error(plain));
  }
};

// Inputs as a ReLU leaves them, as many channels as the late layers of a ResNet have. With the points 0, 1, -1, 2, -2
// and sums over all channels at once the errors were five times those of plain sums.
TEST(Winograd, RoundsLittleMoreThanPlainSumsDo) {
  constexpr int64_t kBatch = 4, kSide = 8, kIn = 256, kOut = 32;
  ConvGeometry g{.batch = kBatch, .in_h = kSide, .in_w = kSide, .in_c = kIn, .out_h = kSide, .out_w = kSide};
  g.out_c = kOut;
  g.kernel_h = g.kernel_w = 3;
  g.pad_h = g.pad_w = 1;
  std::vector<float> input = testing::random_floats(kBatch * kSide * kSide * kIn, 1);
  for (float& x : input) x = std::fmax(x, 0.0F);
  const std::vector<float> weight = testing::random_floats(9 * kIn * kOut, 2);
  const std::vector<float> grad_output = testing::random_floats(kBatch * kSide * kSide * kOut, 3);
  Sums output(grad_output.size()), grad_input(input.size()), grad_weight(weight.size());
  for (int64_t pixel = 0; pixel < kBatch * kSide * kSide; ++pixel) {
    for (int64_t tap = 0; tap < 9; ++tap) {
      const int64_t y = pixel / kSide % kSide + tap / 3 - 1, x = pixel % kSide + tap % 3 - 1;
      if (y < 0 || y >= kSide || x < 0 || x >= kSide) continue;
      const int64_t source = (pixel / (kSide * kSide) * kSide + y) * kSide + x;
      for (int64_t c = 0; c < kIn; ++c) {
        for (int64_t o = 0; o < kOut; ++o) {
          const auto i = static_cast<size_t>(source * kIn + c), w = static_cast<size_t>((tap * kIn + c) * kOut + o);
          const auto r = static_cast<size_t>(pixel * kOut + o);
          output.add(r, input[i], weight[w]);
          grad_input.add(i, grad_output[r], weight[w]);
          grad_weight.add(w, grad_output[r], input[i]);
        }
      }
    }
  }
  testing::for_every_isa([&] {
    const ConvKernels& kernels = winograd_kernels();
    Buffer workspace(
        std::max({kernels.forward_workspace(g), kernels.grad_input_workspace(g), kernels.grad_weight_workspace(g)}));
    std::vector<float> result(output.exact.size());
    ConvForwardArgs forward;
    forward.input = input.data();
    forward.weight = weight.data();
    forward.output = result.data();
    forward.workspace = workspace.data();
    kernels.forward(g, forward);
    EXPECT_LT(output.error_of(result), 2);
    result.resize(input.size());
    kernels.grad_input(g, {grad_output.data(), weight.data(), nullptr, result.data(), workspace.data()});
    EXPECT_LT(grad_input.error_of(result), 3);
    result.resize(weight.size());
    kernels.grad_weight(g, {input.data(), grad_output.data(), result.data(), nullptr, workspace.data()});
    EXPECT_LT(grad_weight.error_of(result), 3);
  });
}

}  // namespace
}  // namespace convoy::kernels
