#include "kernels/conv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ostream>
#include <vector>

#include "kernels/conv_testing.h"
#include "kernels/depthwise.h"
#include "kernels/winograd.h"

namespace convoy::kernels {
namespace {

using testing::conv;
using testing::depthwise;
using testing::for_every_product;
using testing::input_size;
using testing::kDepthwiseGeometries;
using testing::kGeometries;
using testing::output_size;
using testing::random_weights;
using testing::Reference;
using testing::Tensor;
using testing::weight_size;

// A family of kernels and what it is asked to compute.
struct Case {
  const ConvKernels& (*kernels)();
  ConvGeometry geometry;
  // Allowed error as a share of the magnitudes of the result's largest element, beside 1e-6 of each element's own:
  // Winograd's transforms mix the pixels of a tile.
  double error_of_largest = 0;
};

const ConvGeometry kWinogradGeometries[] = {
    conv(2, 8, 8, 32, 32, 3, 3, 1, 1),   conv(3, 7, 7, 64, 128, 3, 3, 1, 1), conv(1, 13, 18, 40, 33, 3, 3, 1, 1),
    conv(1, 9, 10, 17, 96, 3, 3, 1, 0),  conv(1, 5, 6, 16, 48, 3, 3, 1, 2),  conv(2, 3, 1, 20, 20, 3, 3, 1, 1),
    conv(1, 1, 1, 600, 64, 3, 3, 1, 1),  conv(1, 4, 4, 3, 5, 3, 3, 1, 1),    conv(7, 30, 28, 32, 40, 3, 3, 1, 1),
    conv(4, 2, 2, 130, 144, 3, 3, 1, 1),
};

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
  Tensor<> input{random_weights(input_size(g), 1)};
  Tensor<> weight{random_weights(weight_size(g), 2)};
  Tensor<> bias{random_weights(static_cast<size_t>(g.out_c), 3)};
  Tensor<> grad_output{random_weights(output_size(g), 4)};
};

TEST_P(Conv, Forward) {
  Tensor<> addend{random_weights(output_size(g), 5)};
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
  Tensor<> addend{random_weights(input_size(g), 6)};
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

void PrintTo(const Case& c, std::ostream* out) { *out << testing::to_string(c.geometry); }

}  // namespace
}  // namespace convoy::kernels
