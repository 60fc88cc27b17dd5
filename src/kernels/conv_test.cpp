#include "kernels/conv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ostream>
#include <vector>

#include "kernels/depthwise.h"
#include "kernels/testing.h"
#include "kernels/winograd.h"

namespace convoy::kernels {
namespace {

using testing::Guarded;
using testing::Placement;

ConvGeometry conv(int64_t batch, int64_t height, int64_t width, int64_t in_c, int64_t out_c, int64_t kernel_h,
                  int64_t kernel_w, int64_t stride, int64_t pad, int64_t dilation = 1, int64_t groups = 1) {
  const auto out = [&](int64_t in, int64_t kernel) {
    return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  };
  return {batch,
          height,
          width,
          in_c,
          out(height, kernel_h),
          out(width, kernel_w),
          out_c,
          kernel_h,
          kernel_w,
          stride,
          stride,
          pad,
          pad,
          dilation,
          dilation,
          groups};
}

// A family of kernels and what it is asked to compute.
struct Case {
  const ConvKernels& (*kernels)();
  ConvGeometry geometry;
  // Allowed error as a share of the magnitudes of the result's largest element, beside 1e-6 of each element's own:
  // Winograd's transforms mix the pixels of a tile.
  double error_of_largest = 0;
};

const ConvGeometry kGeometries[] = {
    conv(2, 5, 7, 16, 32, 1, 1, 1, 0),      conv(3, 7, 7, 64, 64, 3, 3, 1, 1),
    conv(1, 9, 8, 20, 10, 3, 3, 2, 1),      conv(2, 11, 13, 3, 33, 7, 7, 2, 3),
    conv(2, 15, 9, 3, 24, 3, 3, 2, 1),      conv(1, 10, 10, 7, 5, 3, 2, 3, 2),
    conv(2, 9, 9, 17, 96, 1, 1, 2, 0),      conv(1, 8, 9, 80, 48, 1, 1, 3, 0),
    conv(1, 12, 11, 18, 35, 3, 3, 1, 2, 2), conv(1, 13, 12, 8, 70, 3, 3, 2, 2, 2),
    conv(1, 13, 12, 4, 4, 5, 3, 3, 4, 2),   conv(2, 6, 6, 24, 48, 3, 3, 1, 1, 1, 4),
    conv(1, 7, 6, 6, 9, 3, 3, 2, 1, 1, 3),  conv(16, 1, 1, 37, 10, 1, 1, 1, 0),
    conv(3, 1, 1, 600, 1000, 1, 1, 1, 0),   conv(4, 2, 2, 130, 144, 3, 3, 1, 1),
    conv(1, 1, 1, 1, 1, 1, 1, 1, 0),        conv(2, 3, 3, 2, 3, 5, 5, 1, 2),
    conv(1, 40, 41, 48, 112, 3, 3, 1, 1),   conv(1, 48, 50, 12, 20, 1, 1, 1, 0),
    conv(1, 4, 4, 5, 6, 2, 2, 4, 0),        conv(1, 3, 40, 8, 8, 3, 33, 1, 1),
};

ConvGeometry depthwise(int64_t batch, int64_t height, int64_t width, int64_t channels, int64_t kernel, int64_t stride,
                       int64_t pad, int64_t dilation = 1) {
  return conv(batch, height, width, channels, channels, kernel, kernel, stride, pad, dilation, channels);
}

const ConvGeometry kDepthwiseGeometries[] = {
    depthwise(2, 5, 7, 1, 3, 1, 1),
    depthwise(1, 14, 14, 3, 3, 1, 1),
    depthwise(3, 9, 33, 16, 3, 1, 1),
    depthwise(2, 12, 13, 24, 3, 2, 1),
    depthwise(1, 7, 7, 129, 3, 2, 1),
    depthwise(16, 12, 12, 18, 3, 1, 1),
    depthwise(1, 56, 30, 100, 3, 1, 0),
    depthwise(2, 14, 15, 100, 5, 1, 2),
    depthwise(2, 15, 14, 33, 5, 2, 2),
    depthwise(1, 11, 17, 24, 7, 1, 3),
    depthwise(3, 4, 4, 129, 11, 1, 5),
    depthwise(2, 8, 8, 100, 11, 1, 5),
    depthwise(1, 20, 19, 16, 11, 1, 5),
    depthwise(2, 2, 2, 24, 11, 1, 5),
    depthwise(1, 1, 1, 3, 7, 1, 3),
    depthwise(1, 16, 13, 24, 3, 3, 1),
    depthwise(1, 13, 12, 129, 5, 3, 2),
    depthwise(2, 10, 11, 16, 3, 1, 2, 2),
    depthwise(1, 12, 15, 24, 3, 2, 2, 2),
    depthwise(1, 17, 16, 24, 4, 2, 3, 3),
    depthwise(1, 9, 8, 40, 9, 1, 4),
    depthwise(1, 9, 10, 16, 2, 3, 0),
    depthwise(1, 6, 6, 40, 1, 1, 1),
    depthwise(2, 7, 5, 24, 1, 2, 0),
    depthwise(1, 5, 5, 16, 3, 1, 6),
    depthwise(1, 128, 128, 256, 3, 1, 1),  // large enough to be written around the caches
    conv(1, 9, 14, 24, 24, 1, 3, 1, 1, 1, 24),
    conv(2, 9, 12, 20, 20, 5, 3, 2, 2, 1, 20),
};

const ConvGeometry kWinogradGeometries[] = {
    conv(2, 8, 8, 32, 32, 3, 3, 1, 1),   conv(3, 7, 7, 64, 128, 3, 3, 1, 1), conv(1, 13, 18, 40, 33, 3, 3, 1, 1),
    conv(1, 9, 10, 17, 96, 3, 3, 1, 0),  conv(1, 5, 6, 16, 48, 3, 3, 1, 2),  conv(2, 3, 1, 20, 20, 3, 3, 1, 1),
    conv(1, 1, 1, 600, 64, 3, 3, 1, 1),  conv(1, 4, 4, 3, 5, 3, 3, 1, 1),    conv(7, 30, 28, 32, 40, 3, 3, 1, 1),
    conv(4, 2, 2, 130, 144, 3, 3, 1, 1),
};

std::string to_string(const ConvGeometry& g) {
  return ::testing::PrintToString(std::vector<int64_t>{g.batch, g.in_h, g.in_w, g.in_c, g.out_h, g.out_w, g.out_c,
                                                       g.kernel_h, g.kernel_w, g.stride_h, g.pad_h, g.dilation_h,
                                                       g.groups});
}

size_t input_size(const ConvGeometry& g) { return static_cast<size_t>(g.batch * g.in_h * g.in_w * g.in_c); }
size_t output_size(const ConvGeometry& g) { return static_cast<size_t>(g.batch * g.out_h * g.out_w * g.out_c); }
size_t weight_size(const ConvGeometry& g) {
  return static_cast<size_t>(g.kernel_h * g.kernel_w * g.in_c / g.groups * g.out_c);
}

// Aligned as tensors are.
template <class T = float>
struct Tensor : Guarded<T> {
  explicit Tensor(size_t size) : Guarded<T>(size, Placement::aligned) {}
  explicit Tensor(const std::vector<T>& values) : Guarded<T>(values, Placement::aligned) {}
};

std::vector<float> random_floats(size_t size, uint64_t stream) {
  return testing::random_floats(static_cast<int64_t>(size), stream, -1, 1);
}

// A double-precision result and, element by element, the sum of the magnitudes that it is made of.
struct Reference {
  std::vector<double> value, magnitude;
  explicit Reference(size_t size) : value(size), magnitude(size) {}
  void add(size_t at, double x) {
    value[at] += x;
    magnitude[at] += std::abs(x);
  }
  void expect_near(Tensor<>& result, const char* what, double error_of_largest = 0) const {
    ASSERT_EQ(result.size(), value.size());
    const double error = error_of_largest * *std::max_element(magnitude.begin(), magnitude.end()) + 1e-12;
    for (size_t i = 0; i < value.size(); ++i) {
      ASSERT_NEAR(result[i], value[i], 1e-6 * magnitude[i] + error) << what << " at " << i;
    }
  }
};

// Calls body(input index, weight index, output index) for every product of the convolution.
template <class Body>
void for_every_product(const ConvGeometry& g, const Body& body) {
  const int64_t ic = g.in_c / g.groups, oc = g.out_c / g.groups;
  for (int64_t pixel = 0; pixel < g.batch * g.out_h * g.out_w; ++pixel) {
    const int64_t image = pixel / (g.out_h * g.out_w), oy = pixel / g.out_w % g.out_h, ox = pixel % g.out_w;
    for (int64_t tap = 0; tap < g.kernel_h * g.kernel_w; ++tap) {
      const int64_t iy = oy * g.stride_h - g.pad_h + tap / g.kernel_w * g.dilation_h;
      const int64_t ix = ox * g.stride_w - g.pad_w + tap % g.kernel_w * g.dilation_w;
      if (iy < 0 || iy >= g.in_h || ix < 0 || ix >= g.in_w) continue;
      for (int64_t o = 0; o < g.out_c; ++o) {
        for (int64_t c = 0; c < ic; ++c) {
          body(static_cast<size_t>(((image * g.in_h + iy) * g.in_w + ix) * g.in_c + o / oc * ic + c),
               static_cast<size_t>((tap * ic + c) * g.out_c + o), static_cast<size_t>(pixel * g.out_c + o));
        }
      }
    }
  }
}

// What `compute` returns, everything that it wrote, has the same bits everywhere.
template <class Compute>
void on_every_isa_and_thread_count(const Compute& compute) {
  testing::for_every_isa_and_thread_count(compute, [](const std::vector<float>&) {});
}

class Conv : public ::testing::TestWithParam<Case> {
 protected:
  static const ConvKernels& kernels() { return GetParam().kernels(); }

  const ConvGeometry g = GetParam().geometry;
  const double error_of_largest = GetParam().error_of_largest;
  Tensor<> input{random_floats(input_size(g), 1)};
  Tensor<> weight{random_floats(weight_size(g), 2)};
  Tensor<> bias{random_floats(static_cast<size_t>(g.out_c), 3)};
  Tensor<> grad_output{random_floats(output_size(g), 4)};
};

TEST_P(Conv, Forward) {
  Tensor<> addend{random_floats(output_size(g), 5)};
  Reference plain(output_size(g));
  for_every_product(g, [&](size_t i, size_t w, size_t o) { plain.add(o, double{input[i]} * weight[w]); });
  Reference full = plain;
  for (size_t i = 0; i < output_size(g); ++i) {
    full.add(i, bias[i % static_cast<size_t>(g.out_c)]);
    full.add(i, addend[i]);
  }
  on_every_isa_and_thread_count([&] {
    Tensor<std::byte> workspace(kernels().forward_workspace(g));
    Tensor<> output(output_size(g));
    ConvForwardArgs args;
    args.input = input.data();
    args.weight = weight.data();
    args.output = output.data();
    args.workspace = workspace.data();
    kernels().forward(g, args);
    plain.expect_near(output, "output", error_of_largest);
    std::memcpy(output.data(), addend.data(), output_size(g) * sizeof(float));
    args.bias = bias.data();
    args.addend = output.data();
    Tensor<std::byte> prepared(kernels().prepared_bytes(g));
    if (kernels().prepared_bytes(g) > 0) {
      kernels().prepare(g, weight.data(), prepared.data());
      args.prepared_weight = prepared.data();
      args.weight = nullptr;
    }
    kernels().forward(g, args);
    full.expect_near(output, "output with bias and addend", error_of_largest);
    return output.values();
  });
}

TEST_P(Conv, StatisticsAndActivation) {
  const auto channels = static_cast<size_t>(g.out_c);
  on_every_isa_and_thread_count([&] {
    const auto tile_pixels = static_cast<size_t>(statistics_pixels(g));
    const size_t pixels = output_size(g) / channels, tiles = (pixels + tile_pixels - 1) / tile_pixels;
    Tensor<std::byte> workspace(kernels().forward_workspace(g));
    Tensor<> output(output_size(g)), activated(output_size(g)), statistics(tiles * 2 * channels);
    ConvForwardArgs args;
    args.input = input.data();
    args.weight = weight.data();
    args.bias = bias.data();
    args.output = output.data();
    args.activation = Activation::relu;
    args.activated = activated.data();
    args.statistics = statistics.data();
    args.workspace = workspace.data();
    kernels().forward(g, args);
    for (size_t i = 0; i < output_size(g); ++i) EXPECT_EQ(activated[i], std::fmax(output[i], 0.0F));
    Reference expected(statistics.size());
    for (size_t tile = 0; tile < tiles; ++tile) {
      const size_t begin = tile * tile_pixels, end = std::min(pixels, begin + tile_pixels);
      for (size_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (size_t p = begin; p < end; ++p) sum += output[p * channels + c];
        const double mean = sum / static_cast<double>(end - begin);
        for (size_t p = begin; p < end; ++p) {
          const double x = output[p * channels + c];
          expected.add(tile * 2 * channels + c, x);
          expected.add((tile * 2 + 1) * channels + c, (x - mean) * (x - mean));
          expected.magnitude[(tile * 2 + 1) * channels + c] += 1e-6 * x * x;
        }
      }
    }
    expected.expect_near(statistics, "statistics");
    return statistics.values();
  });
}

TEST_P(Conv, GradInput) {
  Tensor<> addend{random_floats(input_size(g), 6)};
  Reference plain(input_size(g));
  for_every_product(g, [&](size_t i, size_t w, size_t o) { plain.add(i, double{grad_output[o]} * weight[w]); });
  Reference full = plain;
  for (size_t i = 0; i < input_size(g); ++i) full.add(i, addend[i]);
  on_every_isa_and_thread_count([&] {
    Tensor<std::byte> workspace(kernels().grad_input_workspace(g));
    Tensor<> grad_input(input_size(g));
    ConvGradInputArgs args;
    args.grad_output = grad_output.data();
    args.weight = weight.data();
    args.grad_input = grad_input.data();
    args.workspace = workspace.data();
    kernels().grad_input(g, args);
    plain.expect_near(grad_input, "grad_input", error_of_largest);
    std::memcpy(grad_input.data(), addend.data(), input_size(g) * sizeof(float));
    args.addend = grad_input.data();
    kernels().grad_input(g, args);
    full.expect_near(grad_input, "grad_input with addend", error_of_largest);
    return grad_input.values();
  });
}

TEST_P(Conv, GradWeight) {
  Reference expected(weight_size(g)), expected_bias(static_cast<size_t>(g.out_c));
  for_every_product(g, [&](size_t i, size_t w, size_t o) { expected.add(w, double{grad_output[o]} * input[i]); });
  for (size_t i = 0; i < output_size(g); ++i) expected_bias.add(i % static_cast<size_t>(g.out_c), grad_output[i]);
  on_every_isa_and_thread_count([&] {
    Tensor<std::byte> workspace(kernels().grad_weight_workspace(g));
    Tensor<> grad_weight(weight_size(g)), grad_bias(static_cast<size_t>(g.out_c));
    ConvGradWeightArgs args;
    args.input = input.data();
    args.grad_output = grad_output.data();
    args.grad_weight = grad_weight.data();
    args.workspace = workspace.data();
    kernels().grad_weight(g, args);
    expected.expect_near(grad_weight, "grad_weight", error_of_largest);
    args.grad_bias = grad_bias.data();
    kernels().grad_weight(g, args);
    expected.expect_near(grad_weight, "grad_weight", error_of_largest);
    expected_bias.expect_near(grad_bias, "grad_bias");
    std::vector<float> all = grad_weight.values();
    const std::vector<float> biases = grad_bias.values();
    all.insert(all.end(), biases.begin(), biases.end());
    return all;
  });
}

template <size_t kCount>
std::vector<Case> cases_of(const ConvKernels& (*kernels)(), const ConvGeometry (&geometries)[kCount],
                           double error_of_largest = 0) {
  std::vector<Case> cases;
  for (const ConvGeometry& geometry : geometries) cases.push_back({kernels, geometry, error_of_largest});
  return cases;
}

const auto case_name = [](const auto& info) { return "Case" + std::to_string(info.index); };

INSTANTIATE_TEST_SUITE_P(Dense, Conv, ::testing::ValuesIn(cases_of(conv_kernels, kGeometries)), case_name);
INSTANTIATE_TEST_SUITE_P(Depthwise, Conv, ::testing::ValuesIn(cases_of(depthwise_kernels, kDepthwiseGeometries)),
                         case_name);

INSTANTIATE_TEST_SUITE_P(Winograd, Conv, ::testing::ValuesIn(cases_of(winograd_kernels, kWinogradGeometries, 2e-6)),
                         case_name);

void PrintTo(const Case& c, std::ostream* out) { *out << to_string(c.geometry); }

}  // namespace
}  // namespace convoy::kernels
