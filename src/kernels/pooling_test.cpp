#include "kernels/pooling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "convoy/bf16.h"
#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using namespace testing;

PoolGeometry pool(int64_t batch, int64_t height, int64_t width, int64_t channels, int64_t kernel, int64_t stride,
                  int64_t pad, bool count_padding = true) {
  const auto axis = [&](int64_t in) {
    return PoolAxis{
        .in = in, .out = (in + 2 * pad - kernel) / stride + 1, .kernel = kernel, .stride = stride, .pad = pad};
  };
  return {batch, channels, axis(height), axis(width), count_padding};
}

PoolGeometry adaptive(int64_t batch, int64_t height, int64_t width, int64_t channels, int64_t out_h, int64_t out_w) {
  const auto axis = [](int64_t in, int64_t out) { return PoolAxis{.in = in, .out = out, .adaptive = true}; };
  return {batch, channels, axis(height, out_h), axis(width, out_w)};
}

const PoolGeometry kWindows[] = {
    pool(2, 6, 8, 16, 2, 2, 0),         pool(1, 7, 9, 24, 2, 2, 0),      pool(2, 13, 11, 64, 3, 2, 1),
    pool(1, 8, 8, 129, 3, 1, 1),        pool(1, 9, 7, 1, 3, 3, 0),       pool(1, 5, 5, 3, 5, 1, 2),
    pool(1, 8, 9, 100, 3, 2, 1, false), pool(3, 4, 4, 40, 4, 1, 2),      pool(2, 1, 1, 7, 3, 2, 1, false),
    pool(1, 9, 8, 97, 2, 2, 0),         pool(1, 131, 130, 128, 2, 2, 0),
};
const PoolGeometry kAdaptive[] = {
    adaptive(3, 7, 7, 129, 1, 1),  adaptive(2, 7, 5, 24, 3, 2), adaptive(1, 2, 3, 17, 7, 7),
    adaptive(1, 14, 14, 32, 7, 7), adaptive(2, 1, 1, 3, 1, 1),
};

int64_t input_size(const PoolGeometry& g) { return g.batch * g.rows.in * g.columns.in * g.channels; }
int64_t output_size(const PoolGeometry& g) { return g.batch * g.rows.out * g.columns.out * g.channels; }

// Where a window begins and ends, borders not regarded.
std::pair<int64_t, int64_t> window(const PoolAxis& axis, int64_t o) {
  if (axis.adaptive) return {o * axis.in / axis.out, ((o + 1) * axis.in + axis.out - 1) / axis.out};
  return {o * axis.stride - axis.pad, o * axis.stride - axis.pad + axis.kernel};
}

// Calls body(output, input, tap, divisor of the average) for every pixel of every window, windows in order.
template <class Body>
void for_every_tap(const PoolGeometry& g, const Body& body) {
  const int64_t height = g.rows.in, width = g.columns.in;
  for (int64_t pixel = 0; pixel < g.batch * g.rows.out * g.columns.out; ++pixel) {
    const int64_t image = pixel / (g.rows.out * g.columns.out);
    const auto [top, bottom] = window(g.rows, pixel / g.columns.out % g.rows.out);
    const auto [left, right] = window(g.columns, pixel % g.columns.out);
    const int64_t inside =
        (std::min(height, bottom) - std::max<int64_t>(0, top)) * (std::min(width, right) - std::max<int64_t>(0, left));
    const int64_t divisor = g.count_padding ? (bottom - top) * (right - left) : inside;
    for (int64_t i = std::max<int64_t>(0, top); i < std::min(height, bottom); ++i) {
      for (int64_t j = std::max<int64_t>(0, left); j < std::min(width, right); ++j) {
        for (int64_t c = 0; c < g.channels; ++c) {
          body(pixel * g.channels + c, ((image * height + i) * width + j) * g.channels + c,
               (i - top) * g.columns.kernel + j - left, static_cast<double>(divisor));
        }
      }
    }
  }
}

struct MaxReference {
  std::vector<double> output, grad_input;
  std::vector<uint8_t> winners;
};

MaxReference max_reference(const PoolGeometry& g, const std::vector<float>& input,
                           const std::vector<float>& grad_output) {
  MaxReference r{std::vector<double>(static_cast<size_t>(output_size(g)), -HUGE_VAL),
                 std::vector<double>(static_cast<size_t>(input_size(g))),
                 std::vector<uint8_t>(static_cast<size_t>(output_size(g)))};
  std::vector<size_t> from(r.output.size());
  for_every_tap(g, [&](int64_t o, int64_t i, int64_t tap, double) {
    const auto to = static_cast<size_t>(o);
    if (!(input[static_cast<size_t>(i)] > r.output[to])) return;
    r.output[to] = input[static_cast<size_t>(i)];
    r.winners[to] = static_cast<uint8_t>(tap);
    from[to] = static_cast<size_t>(i);
  });
  for (size_t o = 0; o < from.size(); ++o) r.grad_input[from[o]] += grad_output[o];
  return r;
}

TEST(MaxPool, IsThePlainMaximumAndItsGradient) {
  for (const PoolGeometry& g : kWindows) {
    SCOPED_TRACE(::testing::Message() << g.rows.in << "x" << g.columns.in << "x" << g.channels << " kernel "
                                      << g.rows.kernel);
    std::vector<float> input = random_floats(input_size(g), 1);
    for (float& x : input) x = std::round(4 * x);  // equal values: the first wins
    const std::vector<float> grad_output = random_floats(output_size(g), 2);
    const MaxReference expected = max_reference(g, input, grad_output);
    std::vector<uint8_t> winners(expected.winners.size() + 1, 0xEE);
    check_kernel(
        output_size(g), [&](float* out) { pool_kernels().f32.max(g, input.data(), out, winners.data()); },
        [&](const std::vector<float>& values) {
          expect_close(values, 0, [&](int64_t i) { return expected.output[static_cast<size_t>(i)]; });
          EXPECT_TRUE(std::equal(expected.winners.begin(), expected.winners.end(), winners.begin()));
          EXPECT_EQ(winners.back(), 0xEE);
        });
    check_kernel(
        output_size(g), [&](float* out) { pool_kernels().f32.max(g, input.data(), out, nullptr); },
        [&](const std::vector<float>& values) {
          expect_close(values, 0, [&](int64_t i) { return expected.output[static_cast<size_t>(i)]; });
        });
    check_kernel(
        input_size(g),
        [&](float* out) { pool_kernels().f32.max_backward(g, grad_output.data(), expected.winners.data(), out); },
        [&](const std::vector<float>& values) {
          expect_close(values, 1e-6, [&](int64_t i) { return expected.grad_input[static_cast<size_t>(i)]; });
        });
  }
}

std::vector<Bf16> narrow(const std::vector<float>& values) { return {values.begin(), values.end()}; }

// Of brain floats: the maximum is one of them, and the gradient of windows that do not overlap is chosen, not computed.
TEST(MaxPool, OfBrainFloatsIsThePlainMaximumAndItsGradient) {
  for (const PoolGeometry& g : kWindows) {
    SCOPED_TRACE(::testing::Message() << g.rows.in << "x" << g.columns.in << "x" << g.channels << ", kernel "
                                      << g.rows.kernel << ", stride " << g.rows.stride);
    const std::vector<Bf16> input = narrow(random_floats(input_size(g), 5));
    const std::vector<Bf16> grad_output = narrow(random_floats(output_size(g), 6));
    const MaxReference expected =
        max_reference(g, {input.begin(), input.end()}, {grad_output.begin(), grad_output.end()});
    const bool overlaps = g.rows.kernel > g.rows.stride;
    for_every_isa([&] {
      for (const Placement placement : {Placement::aligned, Placement::unaligned}) {
        Guarded<Bf16> output(output_size(g), placement), grad_input(input_size(g), placement);
        std::vector<uint8_t> winners(static_cast<size_t>(output_size(g)));
        pool_kernels().bf16.max(g, input.data(), output.data(), winners.data());
        EXPECT_EQ(winners, expected.winners);
        for (size_t i = 0; i < expected.output.size(); ++i)
          ASSERT_EQ(static_cast<float>(output[i]), expected.output[i]);
        pool_kernels().bf16.max_backward(g, grad_output.data(), winners.data(), grad_input.data());
        for (size_t i = 0; i < expected.grad_input.size(); ++i) {
          const double gradient = expected.grad_input[i], error = overlaps ? 0x1p-8 * std::abs(gradient) : 0;
          ASSERT_NEAR(static_cast<float>(grad_input[i]), gradient, error) << i;
        }
      }
    });
  }
}

TEST(MaxPool, NanWins) {
  const PoolGeometry g = pool(1, 2, 2, 19, 2, 2, 0);
  for (int64_t where = 0; where < 4; ++where) {
    std::vector<float> input = random_floats(input_size(g), 1);
    for (int64_t c = 0; c < g.channels; ++c) {
      input[static_cast<size_t>(where * g.channels + c)] = std::numeric_limits<float>::quiet_NaN();
    }
    for_every_isa([&] {
      std::vector<float> output(19);
      pool_kernels().f32.max(g, input.data(), output.data(), nullptr);
      for (const float x : output) EXPECT_TRUE(std::isnan(x)) << "at tap " << where;
    });
  }
}

void check_average(const PoolGeometry& g) {
  SCOPED_TRACE(::testing::Message() << g.rows.in << "x" << g.columns.in << "x" << g.channels << " to " << g.rows.out
                                    << "x" << g.columns.out);
  const std::vector<float> input = random_floats(input_size(g), 3), grad_output = random_floats(output_size(g), 4);
  std::vector<double> output(static_cast<size_t>(output_size(g))), grad_input(static_cast<size_t>(input_size(g)));
  for_every_tap(g, [&](int64_t o, int64_t i, int64_t, double divisor) {
    output[static_cast<size_t>(o)] += input[static_cast<size_t>(i)] / divisor;
    grad_input[static_cast<size_t>(i)] += grad_output[static_cast<size_t>(o)] / divisor;
  });
  check_kernel(
      output_size(g), [&](float* out) { pool_kernels().f32.average(g, input.data(), out); },
      [&](const std::vector<float>& values) {
        expect_close(values, 1e-6, [&](int64_t i) { return output[static_cast<size_t>(i)]; });
      });
  check_kernel(
      input_size(g), [&](float* out) { pool_kernels().f32.average_backward(g, grad_output.data(), out); },
      [&](const std::vector<float>& values) {
        expect_close(values, 1e-6, [&](int64_t i) { return grad_input[static_cast<size_t>(i)]; });
      });
}

TEST(AveragePool, IsThePlainMeanAndItsGradient) {
  for (const PoolGeometry& g : kWindows) check_average(g);
}

TEST(AveragePool, AdaptiveWindows) {
  for (const PoolGeometry& g : kAdaptive) check_average(g);
}

}  // namespace
}  // namespace convoy::kernels
