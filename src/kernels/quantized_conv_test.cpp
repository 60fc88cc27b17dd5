#include "kernels/quantized_conv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <ostream>
#include <span>
#include <vector>

#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::Fenced;
using testing::Guarded;

struct Case {
  const QuantizedConvKernels& (*kernels)();
  ConvGeometry geometry;
  int zero_point;
};

ConvGeometry conv(int64_t batch, int64_t height, int64_t width, int64_t in_c, int64_t out_c, int64_t kernel,
                  int64_t stride, int64_t pad, int64_t dilation = 1, int64_t groups = 1) {
  const auto out = [&](int64_t in) { return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1; };
  return {batch,  height, width,  in_c, out(height), out(width), out_c,    kernel,
          kernel, stride, stride, pad,  pad,         dilation,   dilation, groups};
}

ConvGeometry depthwise(int64_t batch, int64_t height, int64_t width, int64_t channels, int64_t kernel, int64_t stride,
                       int64_t pad, int64_t dilation = 1) {
  return conv(batch, height, width, channels, channels, kernel, stride, pad, dilation, channels);
}

// Bytes between two bounds, both drawn too.
template <class T>
std::vector<T> random_bytes(size_t count, uint64_t stream, int low, int high) {
  std::vector<T> bytes;
  for (const float x : testing::random_floats(static_cast<int64_t>(count), stream, 0, 1)) {
    bytes.push_back(static_cast<T>(std::min(high, low + static_cast<int>(x * static_cast<float>(high - low + 1)))));
  }
  return bytes;
}

class QuantizedConv : public ::testing::TestWithParam<Case> {
 protected:
  const QuantizedConvKernels& kernels() const { return GetParam().kernels(); }

  const ConvGeometry g = GetParam().geometry;
  const ByteScale in{0.02F, GetParam().zero_point}, addend_scale{0.03F, 117}, out{0.1F, 130};
  const size_t outputs = static_cast<size_t>(g.batch * g.out_h * g.out_w * g.out_c);
  const size_t channels = static_cast<size_t>(g.out_c);
  Fenced<uint8_t> input{random_bytes<uint8_t>(static_cast<size_t>(g.batch * g.in_h * g.in_w * g.in_c), 1, 0, 255)};
  Fenced<int8_t> weight{
      random_bytes<int8_t>(static_cast<size_t>(g.kernel_h * g.kernel_w * (g.in_c / g.groups) * g.out_c), 2, -127, 127)};
  Fenced<float> weight_scale{testing::random_floats(g.out_c, 3, 0.001F, 0.01F)};
  Fenced<float> bias{testing::random_floats(g.out_c, 4, -1, 1)};
  Fenced<float> addend{testing::random_floats(static_cast<int64_t>(outputs), 5, -2, 2)};
  Fenced<uint8_t> byte_addend{random_bytes<uint8_t>(outputs, 6, 0, 255)};

  std::vector<int64_t> sums() {
    std::vector<int64_t> sums(outputs);
    const int64_t in_c = g.in_c / g.groups, out_c = g.out_c / g.groups;
    for (size_t i = 0; i < outputs; ++i) {
      const auto at = static_cast<int64_t>(i), c = at % g.out_c, pixel = at / g.out_c;
      const int64_t n = pixel / (g.out_h * g.out_w), y = pixel / g.out_w % g.out_h, x = pixel % g.out_w;
      for (int64_t tap = 0; tap < g.kernel_h * g.kernel_w; ++tap) {
        const int64_t row = y * g.stride_h - g.pad_h + tap / g.kernel_w * g.dilation_h;
        const int64_t column = x * g.stride_w - g.pad_w + tap % g.kernel_w * g.dilation_w;
        if (row < 0 || row >= g.in_h || column < 0 || column >= g.in_w) continue;
        for (int64_t k = 0; k < in_c; ++k) {
          const int64_t from = ((n * g.in_h + row) * g.in_w + column) * g.in_c + c / out_c * in_c + k;
          sums[i] += (int64_t{input[static_cast<size_t>(from)]} - in.zero_point) *
                     weight[static_cast<size_t>((tap * in_c + k) * g.out_c + c)];
        }
      }
    }
    return sums;
  }

  // Everywhere the same bits, which check(result) judges.
  template <class Check>
  void expect_everywhere(QuantizedConvArgs args, bool prepared, const Check& check) {
    args.input = input.data();
    args.in = in;
    args.weight = weight.data();
    args.weight_scale = weight_scale.data();
    std::vector<float> first;
    testing::for_every_isa_and_thread_count(
        [&] {
          Guarded<std::byte> workspace(kernels().workspace(g), testing::Placement::aligned);
          Guarded<std::byte> packed(kernels().prepared_bytes(g), testing::Placement::aligned);
          Guarded<> floats(args.byte_output == nullptr ? outputs : 0);
          Guarded<uint8_t> bytes(args.byte_output == nullptr ? 0 : outputs);
          args.workspace = workspace.data();
          args.prepared_weight = prepared ? packed.data() : nullptr;
          if (prepared) kernels().prepare(g, weight.data(), packed.data());
          if (args.byte_output != nullptr) {
            args.byte_output = bytes.data();
            kernels().forward(g, args);
            const std::vector<uint8_t> values = bytes.values();
            return std::vector<float>(values.begin(), values.end());
          }
          args.output = floats.data();
          kernels().forward(g, args);
          return floats.values();
        },
        [&](const std::vector<float>& result) {
          check(result);
          if (first.empty()) first = result;
          EXPECT_TRUE(testing::same_bits(result, first)) << "not the bits of another instruction set";
        });
  }

  // The bytes of args.out, of a prepared weight.
  void expect_bytes(QuantizedConvArgs args) {
    const std::vector<int64_t> exact = sums();
    uint8_t wanted = 0;
    args.byte_output = &wanted;
    expect_everywhere(args, true, [&](const std::vector<float>& result) {
      for (size_t i = 0; i < outputs; ++i) {
        double y = static_cast<double>(exact[i]) * double{in.scale} * weight_scale[i % channels];
        if (args.bias != nullptr) y += bias[i % channels];
        const double addend_number =
            args.byte_addend == nullptr ? 0 : double{addend_scale.scale} * (byte_addend[i] - addend_scale.zero_point);
        if (!args.addend_last) y += addend_number;
        if (args.activation != Activation::none) y = std::max(y, 0.0);
        if (args.activation == Activation::relu6) y = std::min(y, 6.0);
        if (args.addend_last) y += addend_number;
        const double steps = y / double{args.out.scale} + args.out.zero_point;
        const double clamped = std::clamp(steps, 0.0, 255.0);
        if (result[i] == std::nearbyint(clamped)) continue;
        // Only where the exact number lies between two bytes may the other be taken.
        ASSERT_LE(std::abs(std::abs(clamped - result[i]) - 0.5), 1e-4) << "at " << i << ": " << steps;
      }
    });
  }
};

TEST_P(QuantizedConv, Floats) {
  const std::vector<int64_t> exact = sums();
  expect_everywhere({}, false, [&](const std::vector<float>& result) {
    for (size_t i = 0; i < outputs; ++i) {
      const double scale = double{in.scale} * weight_scale[i % channels];
      const double expected = static_cast<double>(exact[i]) * scale;
      ASSERT_NEAR(result[i], expected, 2e-7 * std::abs(expected)) << "at " << i;
    }
  });
  expect_everywhere({.bias = bias.data(), .addend = addend.data(), .activation = Activation::relu}, true,
                    [&](const std::vector<float>& result) {
                      for (size_t i = 0; i < outputs; ++i) {
                        const double product =
                            static_cast<double>(exact[i]) * double{in.scale} * weight_scale[i % channels];
                        const double expected = std::max(0.0, product + bias[i % channels] + addend[i]);
                        ASSERT_NEAR(result[i], expected, 3e-7 * (std::abs(product) + 3)) << "at " << i;
                      }
                    });
  expect_everywhere({.addend = addend.data(), .addend_last = true, .activation = Activation::relu}, true,
                    [&](const std::vector<float>& result) {
                      for (size_t i = 0; i < outputs; ++i) {
                        const double product =
                            static_cast<double>(exact[i]) * double{in.scale} * weight_scale[i % channels];
                        const double expected = std::max(0.0, product) + addend[i];
                        ASSERT_NEAR(result[i], expected, 3e-7 * (std::abs(product) + 3)) << "at " << i;
                      }
                    });
}

TEST_P(QuantizedConv, BytesAndAddend) {
  QuantizedConvArgs args{
      .bias = bias.data(), .byte_addend = byte_addend.data(), .addend_scale = addend_scale, .out = out};
  expect_bytes(args);
  args.activation = Activation::relu;
  expect_bytes(args);
  args.out = {0.1F, 0};
  expect_bytes(args);
  args.addend_last = true;
  expect_bytes(args);
}

TEST_P(QuantizedConv, Bytes) {
  for (const Activation activation : {Activation::none, Activation::relu, Activation::relu6}) {
    expect_bytes({.bias = bias.data(), .activation = activation, .out = out});
    expect_bytes({.activation = activation, .out = {0.03F, 0}});
  }
}

// On matrix tiles, or the others where there are none, which are to give the same bits.
const QuantizedConvKernels& tiles_or_gemm() {
  const QuantizedConvKernels* tiles = tile_quantized_conv_kernels();
  return tiles == nullptr ? quantized_conv_kernels() : *tiles;
}

// The same of the dot product of four bytes.
const QuantizedConvKernels& dot_or_gemm() {
  const QuantizedConvKernels* dot = dot_quantized_conv_kernels();
  return dot == nullptr ? quantized_conv_kernels() : *dot;
}
const QuantizedConvKernels& dot_or_depthwise() {
  const QuantizedConvKernels* dot = dot_quantized_depthwise_kernels();
  return dot == nullptr ? quantized_depthwise_kernels() : *dot;
}

// The largest sums that 32 bits hold.
TEST(QuantizedConvRange, TheLargestSumIsExact) {
  for (const auto& kernels : {quantized_conv_kernels, tiles_or_gemm, dot_or_gemm}) {
    const ConvGeometry g = conv(1, 1, 1, 66311, 3, 1, 1, 0);
    const auto depth = static_cast<size_t>(g.in_c);
    const std::vector<uint8_t> input(depth, 255);
    std::vector<int8_t> weight(3 * depth, 127);
    for (size_t k = 0; k < depth; ++k) weight[3 * k + 1] = -127;
    const std::vector<float> scale(3, 1);
    testing::for_every_isa([&] {
      Guarded<std::byte> workspace(kernels().workspace(g), testing::Placement::aligned);
      Guarded<> output(3);
      kernels().forward(g, {.input = input.data(),
                            .weight = weight.data(),
                            .weight_scale = scale.data(),
                            .output = output.data(),
                            .workspace = workspace.data()});
      const auto expected = static_cast<float>(66311.0 * 255 * 127);
      EXPECT_EQ(output.values(), (std::vector<float>{expected, -expected, expected}));
    });
  }
}

std::vector<Case> cases_of(std::span<const ConvGeometry> geometries,
                           std::initializer_list<const QuantizedConvKernels& (*)()> families) {
  constexpr int kZeroPoints[] = {0, 128, 255};
  std::vector<Case> cases;
  for (size_t i = 0; i < geometries.size(); ++i) {
    for (const auto& kernels : families) cases.push_back({kernels, geometries[i], kZeroPoints[i % 3]});
  }
  return cases;
}

std::vector<Case> dense_cases() {
  const ConvGeometry geometries[] = {
      conv(2, 5, 7, 16, 32, 1, 1, 0),     conv(3, 7, 7, 64, 64, 3, 1, 1),      conv(1, 9, 8, 20, 10, 3, 2, 1),
      conv(2, 11, 13, 3, 33, 7, 2, 3),    conv(1, 12, 11, 18, 35, 3, 1, 2, 2), conv(2, 6, 6, 24, 48, 3, 1, 1, 1, 4),
      conv(1, 7, 6, 6, 9, 3, 2, 1, 3, 3), conv(16, 1, 1, 37, 10, 1, 1, 0),     conv(3, 1, 1, 600, 1000, 1, 1, 0),
      conv(4, 2, 2, 130, 144, 3, 1, 1),   conv(1, 1, 1, 1, 1, 1, 1, 0),        conv(2, 3, 3, 2, 3, 5, 1, 4),
      conv(1, 40, 41, 48, 112, 3, 1, 1),  conv(1, 30, 20, 5, 6, 1, 3, 2),      conv(2, 14, 15, 64, 40, 1, 1, 0),
      conv(3, 14, 14, 72, 24, 1, 1, 0),   conv(2, 9, 9, 128, 70, 3, 2, 1),     conv(1, 5, 13, 4, 20, 1, 1, 0),
      conv(1, 11, 3, 12, 16, 1, 1, 0)};
  return cases_of(geometries, {quantized_conv_kernels, tiles_or_gemm, dot_or_gemm});
}

std::vector<Case> depthwise_cases() {
  const ConvGeometry geometries[] = {
      depthwise(2, 5, 7, 1, 3, 1, 1),    depthwise(1, 14, 14, 3, 3, 1, 1),     depthwise(3, 9, 33, 16, 3, 1, 1),
      depthwise(2, 12, 13, 24, 3, 2, 1), depthwise(1, 7, 7, 129, 3, 2, 1),     depthwise(2, 14, 15, 100, 5, 1, 2),
      depthwise(2, 15, 14, 33, 5, 2, 2), depthwise(1, 11, 17, 24, 7, 1, 3),    depthwise(3, 4, 4, 129, 11, 1, 5),
      depthwise(1, 6, 6, 40, 1, 1, 1),   depthwise(2, 10, 11, 16, 3, 1, 2, 2), depthwise(1, 5, 5, 16, 2, 1, 6),
      depthwise(2, 9, 112, 64, 3, 1, 1), depthwise(1, 12, 112, 96, 3, 2, 1),   depthwise(1, 7, 7, 144, 5, 2, 2),
      depthwise(1, 13, 2, 130, 7, 1, 3), depthwise(2, 1, 1, 96, 3, 1, 1),      depthwise(2, 8, 1, 3, 5, 1, 2),
      depthwise(1, 10, 9, 144, 3, 1, 1), depthwise(1, 9, 12, 64, 7, 2, 3),     depthwise(1, 20, 18, 67, 4, 3, 1, 2)};
  return cases_of(geometries, {quantized_depthwise_kernels, dot_or_depthwise});
}

const auto case_name = [](const auto& info) { return "Case" + std::to_string(info.index); };

INSTANTIATE_TEST_SUITE_P(Dense, QuantizedConv, ::testing::ValuesIn(dense_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Depthwise, QuantizedConv, ::testing::ValuesIn(depthwise_cases()), case_name);

void PrintTo(const Case& c, std::ostream* stream) {
  const ConvGeometry& g = c.geometry;
  *stream << ::testing::PrintToString(std::vector<int64_t>{g.batch, g.in_h, g.in_w, g.in_c, g.out_c, g.kernel_h,
                                                           g.stride_h, g.pad_h, g.dilation_h, g.groups, c.zero_point});
}

TEST(Quantize, RoundsHalvesToEvenAndSaturates) {
  const std::vector<float> input{
      -3,   -2.5F, -1.5F, -0.5F,  0,         0.5F,     1.5F,
      2.5F, 400,   1e30F, -1e30F, -INFINITY, INFINITY, std::numeric_limits<float>::quiet_NaN()};
  // By hand, with a scale of 1 and a zero point of 3: what is rounded is x alone.
  const std::vector<uint8_t> expected{0, 1, 1, 3, 3, 3, 5, 5, 255, 255, 0, 0, 255, 0};
  testing::for_every_isa([&] {
    Guarded<uint8_t> output(input.size());
    quantize_kernels().quantize({1, 3}, static_cast<int64_t>(input.size()), input.data(), output.data());
    EXPECT_EQ(output.values(), expected);
  });
}

TEST(Quantize, EveryByteComesBack) {
  std::vector<uint8_t> bytes(1000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  const ByteScale scale{0.0173F, 77};
  testing::for_every_isa([&] {
    Guarded<> floats(bytes.size());
    Guarded<uint8_t> back(bytes.size());
    quantize_kernels().dequantize(scale, 1000, bytes.data(), floats.data());
    for (size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(floats[i], static_cast<float>(bytes[i] - 77) * 0.0173F);
    quantize_kernels().quantize(scale, 1000, floats.data(), back.data());
    EXPECT_EQ(back.values(), bytes);
  });
}

}  // namespace
}  // namespace convoy::kernels
