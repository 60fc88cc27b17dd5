#include "kernels/bf16_conv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <vector>

#include "kernels/conv_testing.h"

namespace convoy::kernels {
namespace {

using testing::for_every_product;
using testing::input_size;
using testing::output_size;
using testing::Reference;
using testing::Tensor;
using testing::weight_size;

struct Case {
  const Bf16ConvKernels* (*kernels)();
  ConvGeometry geometry;
};

// Numbers that brain floats hold.
std::vector<float> random_bf16(size_t size, uint64_t stream) {
  std::vector<float> values = testing::random_weights(size, stream);
  for (float& x : values) x = static_cast<float>(Bf16(x));
  return values;
}

std::vector<Bf16> narrow(const std::vector<float>& values) {
  std::vector<Bf16> narrowed;
  for (const float x : values) narrowed.emplace_back(x);
  return narrowed;
}

std::vector<float> widen(Tensor<Bf16>& values) { return {values.data(), values.data() + values.size()}; }

// Every element within half of its last place, and what summing in floats may have lost.
void expect_rounded(const std::vector<float>& result, const Reference& expected, const char* what) {
  ASSERT_EQ(result.size(), expected.value.size());
  for (size_t i = 0; i < result.size(); ++i) {
    const double sums = 2e-6 * expected.magnitude[i] + 1e-12;
    ASSERT_NEAR(result[i], expected.value[i], std::abs(expected.value[i]) / 256 + sums) << what << " at " << i;
  }
}

class Bf16Conv : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (GetParam().kernels() == nullptr) GTEST_SKIP() << "this processor has no such kernels";
  }
  static const Bf16ConvKernels& kernels() { return *GetParam().kernels(); }

  // What `compute` returns has the same bits for any number of threads and once more.
  template <class Compute>
  void on_every_thread_count(const Compute& compute) const {
    set_thread_count(1);
    const std::vector<float> first = compute();
    for (const int threads : {2, 3, 1}) {
      set_thread_count(threads);
      EXPECT_TRUE(testing::same_bits(compute(), first)) << "with " << threads << " threads";
    }
  }

  const ConvGeometry g = GetParam().geometry;
  const std::vector<float> input = random_bf16(input_size(g), 1), weight = random_bf16(weight_size(g), 2),
                           bias = random_bf16(static_cast<size_t>(g.out_c), 3),
                           grad_output = random_bf16(output_size(g), 4);
  testing::Fenced<Bf16> narrow_input{narrow(input)}, narrow_grad_output{narrow(grad_output)};
};

TEST_P(Bf16Conv, Forward) {
  const std::vector<float> addend = random_bf16(output_size(g), 5);
  Reference plain(output_size(g));
  for_every_product(g, [&](size_t i, size_t w, size_t o) { plain.add(o, double{input[i]} * weight[w]); });
  Reference full = plain;
  for (size_t i = 0; i < output_size(g); ++i) {
    full.add(i, bias[i % static_cast<size_t>(g.out_c)]);
    full.add(i, addend[i]);
    full.value[i] = std::max(full.value[i], 0.0);
  }
  Tensor<> weights(weight), biases(bias), wide_input(input);
  on_every_thread_count([&] {
    Tensor<std::byte> workspace(kernels().forward_workspace(g)), prepared(kernels().prepared_bytes(g));
    Tensor<Bf16> output(output_size(g));
    Bf16ConvForwardArgs args;
    args.input = narrow_input.data();
    args.weight = weights.data();
    args.output = output.data();
    args.workspace = workspace.data();
    kernels().forward(g, args);
    expect_rounded(widen(output), plain, "output");
    if (!is_depthwise(g)) {
      args.input = nullptr;
      args.wide_input = wide_input.data();
      kernels().forward(g, args);
      expect_rounded(widen(output), plain, "output of floats");
      args.input = narrow_input.data();
      args.wide_input = nullptr;
    }
    std::ranges::copy(narrow(addend), output.data());
    args.bias = biases.data();
    args.addend = output.data();
    args.activation = Activation::relu;
    if (prepared.size() > 0) {
      kernels().prepare(g, weights.data(), prepared.data());
      args.prepared_weight = prepared.data();
      args.weight = nullptr;
    }
    kernels().forward(g, args);
    expect_rounded(widen(output), full, "output with bias, addend and activation");
    return widen(output);
  });
}

TEST_P(Bf16Conv, Statistics) {
  const auto channels = static_cast<size_t>(g.out_c);
  const auto tile_pixels = static_cast<size_t>(statistics_pixels(g));
  const size_t pixels = output_size(g) / channels, tiles = (pixels + tile_pixels - 1) / tile_pixels;
  const std::vector<float> addend = random_bf16(output_size(g), 5);
  Reference exact(output_size(g));
  for_every_product(g, [&](size_t i, size_t w, size_t o) { exact.add(o, double{input[i]} * weight[w]); });
  for (size_t i = 0; i < output_size(g); ++i) {
    exact.add(i, bias[i % channels]);
    exact.add(i, addend[i]);
  }
  Reference expected(tiles * 2 * channels);
  for (size_t tile = 0; tile < tiles; ++tile) {
    const size_t begin = tile * tile_pixels, end = std::min(pixels, begin + tile_pixels);
    for (size_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (size_t p = begin; p < end; ++p) sum += exact.value[p * channels + c];
      const double mean = sum / static_cast<double>(end - begin);
      for (size_t p = begin; p < end; ++p) {
        const double x = exact.value[p * channels + c], magnitude = exact.magnitude[p * channels + c];
        expected.add(tile * 2 * channels + c, x);
        expected.add((tile * 2 + 1) * channels + c, (x - mean) * (x - mean));
        expected.magnitude[tile * 2 * channels + c] += 2 * magnitude;
        expected.magnitude[(tile * 2 + 1) * channels + c] += 2 * magnitude * (std::abs(x - mean) + 1e-6 * magnitude);
      }
    }
  }
  Tensor<> weights(weight), biases(bias);
  Tensor<Bf16> addends(narrow(addend));
  on_every_thread_count([&] {
    Tensor<std::byte> workspace(kernels().forward_workspace(g));
    Tensor<Bf16> output(output_size(g));
    Tensor<> statistics(tiles * 2 * channels);
    Bf16ConvForwardArgs args;
    args.input = narrow_input.data();
    args.weight = weights.data();
    args.bias = biases.data();
    args.addend = addends.data();
    args.output = output.data();
    args.statistics = statistics.data();
    args.workspace = workspace.data();
    kernels().forward(g, args);
    expect_rounded(widen(output), exact, "output");
    expected.expect_near(statistics, "statistics");
    return statistics.values();
  });
}

TEST_P(Bf16Conv, GradInput) {
  const std::vector<float> addend = random_bf16(input_size(g), 6);
  Reference plain(input_size(g));
  for_every_product(g, [&](size_t i, size_t w, size_t o) { plain.add(i, double{grad_output[o]} * weight[w]); });
  Reference full = plain;
  for (size_t i = 0; i < input_size(g); ++i) full.add(i, addend[i]);
  Tensor<> weights(weight);
  on_every_thread_count([&] {
    Tensor<std::byte> workspace(kernels().grad_input_workspace(g));
    Tensor<Bf16> grad_input(input_size(g));
    Bf16ConvGradInputArgs args;
    args.grad_output = narrow_grad_output.data();
    args.weight = weights.data();
    args.grad_input = grad_input.data();
    args.workspace = workspace.data();
    kernels().grad_input(g, args);
    expect_rounded(widen(grad_input), plain, "grad_input");
    std::ranges::copy(narrow(addend), grad_input.data());
    args.addend = grad_input.data();
    kernels().grad_input(g, args);
    expect_rounded(widen(grad_input), full, "grad_input with addend");
    return widen(grad_input);
  });
}

TEST_P(Bf16Conv, GradWeight) {
  Reference expected(weight_size(g)), expected_bias(static_cast<size_t>(g.out_c));
  for_every_product(g, [&](size_t i, size_t w, size_t o) { expected.add(w, double{grad_output[o]} * input[i]); });
  for (size_t i = 0; i < output_size(g); ++i) expected_bias.add(i % static_cast<size_t>(g.out_c), grad_output[i]);
  Tensor<> wide_input(input);
  on_every_thread_count([&] {
    Tensor<std::byte> workspace(kernels().grad_weight_workspace(g));
    Tensor<> grad_weight(weight_size(g)), grad_bias(static_cast<size_t>(g.out_c));
    Bf16ConvGradWeightArgs args;
    args.input = narrow_input.data();
    args.grad_output = narrow_grad_output.data();
    args.grad_weight = grad_weight.data();
    args.workspace = workspace.data();
    kernels().grad_weight(g, args);
    expected.expect_near(grad_weight, "grad_weight");
    if (!is_depthwise(g)) {
      args.input = nullptr;
      args.wide_input = wide_input.data();
    }
    args.grad_bias = grad_bias.data();
    kernels().grad_weight(g, args);
    expected.expect_near(grad_weight, "grad_weight beside grad_bias");
    expected_bias.expect_near(grad_bias, "grad_bias");
    return grad_weight.values();
  });
}

template <size_t kCount>
std::vector<Case> cases_of(const Bf16ConvKernels* (*kernels)(), const ConvGeometry (&geometries)[kCount]) {
  std::vector<Case> cases;
  for (const ConvGeometry& geometry : geometries) cases.push_back({kernels, geometry});
  return cases;
}

const auto case_name = [](const auto& info) { return "Case" + std::to_string(info.index); };

// More channels, outputs and pixels than a task of the weight gradient takes at once, several tiles of pixels, and taps
// that share a grid of them.
const ConvGeometry kLargeGeometries[] = {
    testing::conv(1, 40, 40, 160, 96, 1, 1, 1, 0), testing::conv(2, 24, 24, 64, 160, 3, 3, 1, 1),
    testing::conv(1, 6, 6, 288, 544, 1, 1, 1, 0),  testing::conv(1, 65, 64, 32, 64, 1, 1, 1, 0),
    testing::conv(1, 5, 13, 3, 20, 1, 1, 1, 0),    testing::conv(1, 11, 3, 12, 16, 1, 1, 1, 0),
    testing::conv(1, 100, 97, 8, 16, 3, 3, 1, 1),  testing::conv(2, 40, 37, 24, 40, 3, 3, 1, 0),
    testing::conv(1, 40, 37, 20, 48, 5, 5, 1, 1),  testing::conv(3, 33, 20, 36, 24, 3, 3, 1, 3),
    testing::conv(2, 28, 28, 32, 64, 3, 3, 1, 1),  testing::conv(4, 14, 14, 64, 64, 3, 3, 1, 1),
    testing::conv(3, 23, 10, 32, 64, 3, 3, 1, 1),  testing::conv(3, 19, 8, 32, 64, 3, 3, 1, 1),
    testing::conv(2, 40, 31, 12, 20, 5, 5, 1, 2)};

INSTANTIATE_TEST_SUITE_P(Tiles, Bf16Conv, ::testing::ValuesIn(cases_of(tile_conv_kernels, testing::kGeometries)),
                         case_name);
INSTANTIATE_TEST_SUITE_P(LargeTiles, Bf16Conv, ::testing::ValuesIn(cases_of(tile_conv_kernels, kLargeGeometries)),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Depthwise, Bf16Conv,
                         ::testing::ValuesIn(cases_of(bf16_depthwise_kernels, testing::kDepthwiseGeometries)),
                         case_name);

void PrintTo(const Case& c, std::ostream* out) { *out << testing::to_string(c.geometry); }

}  // namespace
}  // namespace convoy::kernels
