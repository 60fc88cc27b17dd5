#include "inference/onnx_quantized.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "convoy/error.h"
#include "inference/onnx_graph.h"
#include "inference/onnx_testing.h"
#include "inference/quantize_graph.h"
#include "plan/quantized_testing.h"

namespace convoy {
namespace {

using namespace onnx_testing;

std::vector<std::string_view> ops_of(const OnnxNetwork& network) {
  std::vector<std::string_view> ops;
  for (const Node& op : network.graph.nodes()) ops.push_back(op.op->name());
  return ops;
}

int64_t quantised_layers(const OnnxNetwork& network) {
  return std::ranges::count_if(ops_of(network), [](std::string_view op) { return op.starts_with("quantized_"); });
}

OnnxModel exported(const OnnxNetwork& network) {
  return to_onnx(network.graph,
                 [&](const std::string& name, std::span<float> into) {
                   std::ranges::copy(network.weights.at(name), into.begin());
                 },
                 {});
}

std::vector<std::string> operators_of(const OnnxModel& model) {
  std::vector<std::string> operators;
  for (const OnnxNode& node : model.nodes) operators.push_back(node.op);
  return operators;
}

TEST(OnnxQuantized, WhatWasExportedComesBackAsItWas) {
  OnnxNetwork original;
  const Value pixels(&original.graph, original.graph.add_input("images", {{1, kSide, kSide, 3}}));
  original.graph.set_output("logits", quantized_net(Builder(original.graph), pixels, {.num_classes = 4}).id());
  Variables variables;
  draw_quantized(original.graph, variables);
  round_biases(original.graph, variables);
  for (const auto& entry : variables.all()) original.weights[entry.first] = variables.read(entry.first);

  const OnnxModel model = exported(original);
  const OnnxNetwork back = onnx_network(model);
  EXPECT_EQ(quantised_layers(back), 3);
  EXPECT_EQ(back.weights, original.weights);
  EXPECT_EQ(logits_of(back, images(2)), logits_of(original, images(2)));

  const OnnxModel again = exported(back);
  EXPECT_EQ(operators_of(again), operators_of(model));
  ASSERT_EQ(again.tensors.size(), model.tensors.size());
  for (const OnnxTensor& tensor : model.tensors) {
    const auto same = std::ranges::find(again.tensors, tensor.name, &OnnxTensor::name);
    ASSERT_NE(same, again.tensors.end()) << tensor.name;
    EXPECT_EQ(same->type, tensor.type) << tensor.name;
    EXPECT_EQ(same->shape, tensor.shape) << tensor.name;
    EXPECT_TRUE(std::ranges::equal(same->bytes, tensor.bytes)) << tensor.name;
  }
}

TEST(OnnxQuantized, BiasesAreRoundedToStepsOfTheSum) {
  Graph graph(Mode::inference);
  const Value pixels(&graph, graph.add_input("images", {{1, kSide, kSide, 3}}));
  graph.set_output("logits", quantized_net(Builder(graph), pixels, {.num_classes = 4}).id());
  Variables variables;
  draw_quantized(graph, variables);
  const std::vector<float> scale = variables.read("conv.weight_scale"), before = variables.read("conv.bias");
  round_biases(graph, variables);
  const std::vector<float> after = variables.read("conv.bias");
  for (size_t i = 0; i < after.size(); ++i) {
    const double step = double{0.02F} * scale[i], steps = after[i] / step;
    EXPECT_NEAR(steps, std::nearbyint(steps), 1e-3) << i;
    EXPECT_NEAR(after[i], before[i], 0.501 * step) << i;
  }
  // Steps that 32 bits do not hold leave the bias as it is.
  variables.write("conv.weight_scale", std::vector<float>(12, 1e-20F));
  variables.write("conv.bias", before);
  round_biases(graph, variables);
  EXPECT_EQ(variables.read("conv.bias"), before);
}

// Q -> DQ -> Conv -> Relu -> Q -> DQ -> mean -> Q -> DQ -> the last layer, as ONNX Runtime's quantiser writes it, with
// bytes of images of either sign.
struct QuantisedModel {
  bool has_sign = false, by_gemm = true, by_channel = true;
  Integers kernel = Integers(4 * 3 * 3 * 3), matrix = Integers(5 * 4);  // {4, 3, 3, 3}, and {5, 4} or {4, 5}
  Floats kernel_scale = {0.001F, 0.002F, 0.0015F, 0.0005F}, matrix_scale = {0.02F, 0.01F, 0.005F, 0.03F, 0.01F};
  Integers bias{100, -2000, 40, 7};
  int zero_point = 120;  // of the images' bytes; those with a sign are 128 lower

  QuantisedModel() {
    RandomStream random(2, "levels");
    for (Integers* values : {&kernel, &matrix}) {
      for (int64_t& value : *values) value = static_cast<int64_t>(random.below(255)) - 127;
    }
  }

  OnnxModel model() const {
    const auto bytes = [](const std::string& name, const Extents& shape, const Integers& values) {
      return tensor<int8_t>(name, DType::i8, shape, {values.begin(), values.end()});
    };
    const auto zero = has_sign ? tensor<int8_t>("zero", DType::i8, {}, {static_cast<int8_t>(zero_point - 128)})
                               : tensor<uint8_t>("zero", DType::u8, {}, {static_cast<uint8_t>(zero_point)});
    const auto scales = [&](const std::string& name, const Floats& values) {
      return by_channel ? tensor<float>(name, DType::f32, {std::ssize(values)}, values) : number(name, values[0]);
    };
    Floats bias_scale;
    for (size_t i = 0; i < 4; ++i) bias_scale.push_back(0.01F * kernel_scale[by_channel ? i : 0]);
    std::vector<OnnxNode> nodes{node("QuantizeLinear", {"x", "s0", "zero"}, "q0"),
                                node("DequantizeLinear", {"q0", "s0", "zero"}, "d0"),
                                node("DequantizeLinear", {"kernel", "kernel_scale"}, "w0", {{"axis", int64_t{0}}}),
                                node("DequantizeLinear", {"bias", "bias_scale"}, "b0", {{"axis", int64_t{0}}}),
                                node("Conv", {"d0", "w0", "b0"}, "c", {{"pads", Extents{1, 1, 1, 1}}}),
                                node("Relu", {"c"}, "r"),
                                node("GlobalAveragePool", {"r"}, "g"),
                                node("Flatten", {"g"}, "f"),
                                node("QuantizeLinear", {"f", "s1"}, "q1"),
                                node("DequantizeLinear", {"q1", "s1"}, "d1")};
    if (by_gemm) {
      nodes.push_back(node("DequantizeLinear", {"matrix", "matrix_scale"}, "w1", {{"axis", int64_t{0}}}));
      nodes.push_back(node("Gemm", {"d1", "w1"}, "y", {{"transB", int64_t{1}}}));
    } else {
      nodes.push_back(node("DequantizeLinear", {"matrix", "matrix_scale"}, "w1", {{"axis", int64_t{-1}}}));
      nodes.push_back(node("MatMul", {"d1", "w1"}, "y"));
    }
    return model_of(
        kAny, nodes,
        {zero, number("s0", 0.01F), number("s1", 0.002F), bytes("kernel", {4, 3, 3, 3}, kernel),
         bytes("matrix", by_gemm ? Extents{5, 4} : Extents{4, 5}, matrix), scales("kernel_scale", kernel_scale),
         scales("matrix_scale", matrix_scale), tensor<int32_t>("bias", DType::i32, {4}, {bias.begin(), bias.end()}),
         tensor<float>("bias_scale", DType::f32, {4}, bias_scale)});
  }

  // By loops over the bytes. Images are {N, S, S, 3}.
  Doubles logits(const Floats& pixels) const {
    const int64_t count = std::ssize(pixels) / (kSide * kSide * 3);
    Doubles result;
    for (int64_t n = 0; n < count; ++n) {
      const auto level = [&](int64_t y, int64_t x, int64_t c) {
        if (y < 0 || x < 0 || y >= kSide || x >= kSide) return 0.0;
        const double value = pixels[static_cast<size_t>(((n * kSide + y) * kSide + x) * 3 + c)];
        return std::clamp(std::nearbyint(value / double{0.01F}) + zero_point, 0.0, 255.0) - zero_point;
      };
      Doubles pooled;
      for (int64_t o = 0; o < 4; ++o) {
        const double scale = double{0.01F} * kernel_scale[by_channel ? static_cast<size_t>(o) : 0];
        double mean = 0;
        for (int64_t at = 0; at < kSide * kSide; ++at) {
          double sum = static_cast<double>(bias[static_cast<size_t>(o)]);
          for (int64_t k = 0; k < 27; ++k) {
            const int64_t c = k / 9, y = at / kSide + k / 3 % 3 - 1, x = at % kSide + k % 3 - 1;
            sum += level(y, x, c) * static_cast<double>(kernel[static_cast<size_t>(o * 27 + k)]);
          }
          mean += std::max(0.0, sum * scale) / static_cast<double>(kSide * kSide);
        }
        pooled.push_back(std::clamp(std::nearbyint(mean / double{0.002F}), 0.0, 255.0));
      }
      for (size_t o = 0; o < 5; ++o) {
        double sum = 0;
        for (size_t i = 0; i < 4; ++i) {
          sum += pooled[i] * static_cast<double>(matrix[by_gemm ? o * 4 + i : i * 5 + o]);
        }
        result.push_back(sum * double{0.002F} * matrix_scale[by_channel ? o : 0]);
      }
    }
    return result;
  }
};

TEST(OnnxQuantized, LayersOfBytesAreComputedSo) {
  for (const bool has_sign : {false, true}) {
    for (const bool by_gemm : {false, true}) {
      for (const bool by_channel : {false, true}) {
        SCOPED_TRACE(testing::Message() << has_sign << by_gemm << by_channel);
        QuantisedModel quantised;
        quantised.has_sign = has_sign;
        quantised.by_gemm = by_gemm;
        quantised.by_channel = by_channel;
        const OnnxNetwork network = onnx_network(quantised.model());
        EXPECT_EQ(quantised_layers(network), 2);
        EXPECT_TRUE(network.weights.contains("kernel") && network.weights.contains("matrix_scale"));
        expect_near(logits_of(network, images(2)), quantised.logits(images(2)));
      }
    }
  }
}

TEST(OnnxQuantized, OnlyWeightsOfThoseBytesAreTakenAsBytes) {
  const auto expect_floats = [](const OnnxModel& model, const Doubles& expected) {
    const OnnxNetwork network = onnx_network(model);
    EXPECT_EQ(quantised_layers(network), 1);
    EXPECT_EQ(std::ranges::count(ops_of(network), "conv2d"), 1);
    expect_near(logits_of(network, images(2)), expected);
  };
  QuantisedModel wide;
  wide.kernel[5] = -128;
  expect_floats(wide.model(), wide.logits(images(2)));
  const auto kernel_of = [](OnnxModel& model) -> OnnxTensor& {
    return *std::ranges::find(model.tensors, "kernel", &OnnxTensor::name);
  };
  QuantisedModel alike;
  alike.kernel_scale = Floats(4, 0.001F);
  // A scale that is not above 0.
  QuantisedModel negative;
  negative.kernel_scale[1] = 0;
  expect_floats(negative.model(), negative.logits(images(2)));
  // A zero point that makes whole numbers of more than 127.
  OnnxModel shifted = alike.model();
  Integers values = alike.kernel;
  std::vector<uint8_t> bytes;
  for (int64_t& value : values) value = std::max<int64_t>(value, -100);
  for (const int64_t value : values) bytes.push_back(static_cast<uint8_t>(value + 100));
  kernel_of(shifted) = tensor<uint8_t>("kernel", DType::u8, {4, 3, 3, 3}, bytes);
  shifted.tensors.push_back(tensor<uint8_t>("kernel_zero", DType::u8, {}, {100}));
  shifted.nodes[2].inputs.emplace_back("kernel_zero");
  QuantisedModel by_zero = alike;
  by_zero.kernel = values;
  EXPECT_EQ(quantised_layers(onnx_network(shifted)), 2);
  expect_near(logits_of(onnx_network(shifted), images(2)), by_zero.logits(images(2)));
  // Floats that the model itself rounds to such bytes.
  OnnxModel rounded = alike.model();
  Floats floats;
  for (const int64_t value : alike.kernel) floats.push_back(0.001F * (static_cast<float>(value) + 0.3F));
  kernel_of(rounded) = tensor<float>("kernel", DType::f32, {4, 3, 3, 3}, floats);
  rounded.tensors.push_back(tensor<int8_t>("kernel_zeros", DType::i8, {4}, {0, 0, 0, 0}));
  rounded.nodes[2].inputs[0] = "kernel_bytes";
  rounded.nodes.insert(rounded.nodes.begin(), node("QuantizeLinear", {"kernel", "kernel_scale", "kernel_zeros"},
                                                   "kernel_bytes", {{"axis", int64_t{0}}}));
  EXPECT_EQ(quantised_layers(onnx_network(rounded)), 2);
  expect_near(logits_of(onnx_network(rounded), images(2)), alike.logits(images(2)));
  bytes[7] = 228;
  by_zero.kernel[7] = 128;
  kernel_of(shifted) = tensor<uint8_t>("kernel", DType::u8, {4, 3, 3, 3}, bytes);
  expect_floats(shifted, by_zero.logits(images(2)));
}

TEST(OnnxQuantized, ScalesOfInputsStayFloats) {
  const std::vector<int8_t> levels{1, -2, 3, 40, 50, -60, 7, 8, 9};
  const Floats scales{0.5F, 0.01F, 2};
  const OnnxModel model =
      model_of(kAny,
               {node("QuantizeLinear", {"x", "s"}, "q"), node("DequantizeLinear", {"q", "s"}, "d"),
                node("DequantizeLinear", {"w", "scales"}, "weight", {{"axis", int64_t{1}}}),
                node("Conv", {"d", "weight"}, "c"), node("GlobalAveragePool", {"c"}, "g"), node("Flatten", {"g"}, "y")},
               {number("s", 0.01F), tensor<int8_t>("w", DType::i8, {3, 3, 1, 1}, levels),
                tensor<float>("scales", DType::f32, {3}, scales)});
  const OnnxNetwork network = onnx_network(model);
  EXPECT_EQ(quantised_layers(network), 0);
  const Floats pixels = images(1);
  Doubles means(3), expected(3);
  for (size_t i = 0; i < pixels.size(); ++i) {
    const double level = std::clamp(std::nearbyint(pixels[i] / double{0.01F}), 0.0, 255.0);
    means[i % 3] += double{0.01F} * level / (kSide * kSide);
  }
  for (size_t i = 0; i < levels.size(); ++i) {
    expected[i / 3] += levels[i] * double{scales[i % 3]} * means[i % 3];
  }
  expect_near(logits_of(network, pixels), expected);
}

TEST(OnnxQuantized, BytesAreMovedButNotComputedWith) {
  QuantisedModel quantised;
  quantised.has_sign = true;
  OnnxModel model = quantised.model();
  model.nodes[1].inputs[0] = "moved";
  model.nodes.insert(model.nodes.begin() + 1, {node("Transpose", {"q0"}, "t", {perm({0, 2, 3, 1})}),
                                               node("Transpose", {"t"}, "moved", {perm({0, 3, 1, 2})})});
  EXPECT_EQ(quantised_layers(onnx_network(model)), 2);
  expect_near(logits_of(onnx_network(model), images(2)), quantised.logits(images(2)));
  model.nodes[2] = node("Relu", {"t"}, "moved");
  EXPECT_THAT([&] { onnx_network(model); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("expected floats, got bytes of a QuantizeLinear")));
  OnnxModel only_bytes = quantised.model();
  only_bytes.outputs[0].name = "q1";
  EXPECT_THAT([&] { onnx_network(only_bytes); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("expected logits of floats, got bytes")));
}

}  // namespace
}  // namespace convoy
