// Networks of ONNX models, written by hand as exporters write them, against loops in double precision.
#include "inference/onnx_import.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "convoy/error.h"
#include "inference/onnx_graph.h"
#include "inference/onnx_testing.h"

namespace convoy {
namespace {

using namespace onnx_testing;
using testing::ElementsAre;

// {h, w, c} of one image.
struct Maps {
  int64_t h, w, c;
  Doubles values;
  double& at(int64_t y, int64_t x, int64_t k) { return values[static_cast<size_t>((y * w + x) * c + k)]; }
};

Maps image(const Floats& pixels, int64_t index) {
  const auto count = static_cast<std::ptrdiff_t>(kSide * kSide * 3);
  return {kSide, kSide, 3, {pixels.begin() + index * count, pixels.begin() + (index + 1) * count}};
}

struct Filter {
  int64_t out, kh, kw;
  Extents pads{0, 0, 0, 0};  // above, left, below, right
  int64_t sh = 1, sw = 1, groups = 1;
  std::string bias = {};
};

Maps convolved(Maps x, const std::string& weight, const Filter& f) {
  const int64_t in = x.c / f.groups;
  const Floats w = drawn(weight, f.out * in * f.kh * f.kw);
  const Floats bias = f.bias.empty() ? Floats(static_cast<size_t>(f.out)) : drawn(f.bias, f.out);
  Maps y{(x.h + f.pads[0] + f.pads[2] - f.kh) / f.sh + 1, (x.w + f.pads[1] + f.pads[3] - f.kw) / f.sw + 1, f.out, {}};
  for (int64_t i = 0; i < y.h * y.w * f.out; ++i) {
    const int64_t o = i % f.out, column = i / f.out % y.w, row = i / f.out / y.w;
    double sum = bias[static_cast<size_t>(o)];
    for (int64_t k = 0; k < in * f.kh * f.kw; ++k) {
      const int64_t dx = k % f.kw, dy = k / f.kw % f.kh, c = k / f.kw / f.kh;
      const int64_t from_y = row * f.sh + dy - f.pads[0], from_x = column * f.sw + dx - f.pads[1];
      if (from_y < 0 || from_x < 0 || from_y >= x.h || from_x >= x.w) continue;
      sum += w[static_cast<size_t>(o * in * f.kh * f.kw + k)] * x.at(from_y, from_x, o / (f.out / f.groups) * in + c);
    }
    y.values.push_back(sum);
  }
  return y;
}

Maps rectified(Maps x) {
  for (double& value : x.values) value = std::max(0.0, value);
  return x;
}

Doubles averaged(Maps x) {
  Doubles means(static_cast<size_t>(x.c));
  for (size_t i = 0; i < x.values.size(); ++i) {
    means[i % means.size()] += x.values[i] / static_cast<double>(x.h * x.w);
  }
  return means;
}

// x times the matrix {in, out}, or {out, in}, plus the bias.
Doubles product(const Doubles& x, const std::string& weight, const std::string& bias, size_t out, bool out_first) {
  const size_t in = x.size();
  const Floats w = drawn(weight, static_cast<int64_t>(in * out)), b = drawn(bias, static_cast<int64_t>(out));
  Doubles y(b.begin(), b.end());
  for (size_t o = 0; o < out; ++o) {
    for (size_t i = 0; i < in; ++i) y[o] += x[i] * w[out_first ? o * in + i : i * out + o];
  }
  return y;
}

Doubles for_each_image(const Floats& pixels, const std::function<Doubles(const Maps&)>& run) {
  Doubles all;
  for (int64_t i = 0; i < std::ssize(pixels) / (kSide * kSide * 3); ++i) {
    const Doubles one = run(image(pixels, i));
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

// One image and two.
void expect_logits(const OnnxModel& model, const std::function<Doubles(const Maps&)>& run) {
  const OnnxNetwork network = onnx_network(model);
  for (const int64_t count : {1, 2}) {
    expect_near(logits_of(network, images(count)), for_each_image(images(count), run));
  }
}

Role role_of(const OnnxNetwork& network, const std::string& weight) {
  return network.graph.value(network.graph.named(weight)).role;
}
std::vector<std::string> names_of(const OnnxNetwork& network) {
  std::vector<std::string> names;
  for (const auto& entry : network.weights) names.push_back(entry.first);
  return names;
}
std::vector<std::string> ops_of(const OnnxNetwork& network) {
  std::vector<std::string> ops;
  for (const Node& node : network.graph.nodes()) ops.emplace_back(node.op->name());
  return ops;
}

TEST(OnnxImport, ConvolutionAndGemm) {
  const OnnxNetwork network = onnx_network(small_model());
  EXPECT_THAT(names_of(network), ElementsAre("conv.bias", "conv.weight", "fc.bias", "fc.weight"));
  EXPECT_EQ(network.sources.at("conv.weight"), "conv.weight");
  EXPECT_EQ(role_of(network, "fc.weight"), Role::head_weight);
  EXPECT_EQ(role_of(network, "fc.bias"), Role::head_bias);
  EXPECT_EQ(role_of(network, "conv.weight"), Role::other);
  EXPECT_FALSE(network.softmax);
  expect_logits(small_model(), [](const Maps& x) {
    const Filter filter{.out = 4, .kh = 3, .kw = 2, .pads = {1, 0, 2, 1}, .sh = 2, .bias = "conv.bias"};
    return product(averaged(rectified(convolved(x, "conv.weight", filter))), "fc.weight", "fc.bias", 5, true);
  });
}

// A constant that the model repeats for every image is the same constant.
TEST(OnnxImport, ConstantsOfTheShapeOfTheImages) {
  const OnnxModel model =
      model_of(kAny,
               {node("Conv", {"x", "w"}, "a"), node("Shape", {"a"}, "shape"), node("Expand", {"shift", "shape"}, "b"),
                node("Add", {"a", "b"}, "c"), node("GlobalAveragePool", {"c"}, "d"), node("Flatten", {"d"}, "y")},
               {floats("w", {4, 3, 1, 1}), floats("shift", {1, 4, 1, 1})});
  expect_logits(
      model, [](const Maps& x) { return averaged(convolved(x, "w", {.out = 4, .kh = 1, .kw = 1, .bias = "shift"})); });
}

// Channel i 3 + j goes to j 2 + i.
TEST(OnnxImport, ChannelShuffleForOneImageAndForAny) {
  const auto run = [](const Maps& x) {
    const Maps before = convolved(x, "w1", {.out = 6, .kh = 1, .kw = 1});
    Maps after = before;
    for (size_t i = 0; i < before.values.size(); ++i) {
      const size_t c = i % 6;
      after.values[i - c + c % 3 * 2 + c / 3] = before.values[i];
    }
    const Filter filter{.out = 4, .kh = 3, .kw = 3, .pads = {1, 1, 1, 1}, .groups = 2};
    return averaged(rectified(convolved(after, "w2", filter)));
  };
  const auto finish = [](OnnxModel model) {
    for (const OnnxNode& next :
         {node("Reshape", {"a", "to5"}, "b"), node("Transpose", {"b"}, "c", {perm({0, 2, 1, 3, 4})}),
          node("Reshape", {"c", "to4"}, "d"),
          node("Conv", {"d", "w2"}, "e", {{"pads", Extents{1, 1, 1, 1}}, {"group", int64_t{2}}}),
          node("Relu", {"e"}, "f"), node("GlobalAveragePool", {"f"}, "g"), node("Flatten", {"g"}, "y")}) {
      model.nodes.push_back(next);
    }
    model.tensors.push_back(floats("w1", {6, 3, 1, 1}));
    model.tensors.push_back(floats("w2", {4, 3, 3, 3}));
    return model;
  };
  const OnnxNode first = node("Conv", {"x", "w1"}, "a");
  const std::vector<OnnxTensor> constants{integers("to5", {1, 2, 3, 8, 8}), integers("to4", {1, 6, 8, 8})};
  {
    SCOPED_TRACE("one image");
    expect_logits(finish(model_of(int64_t{1}, {first}, constants)), run);
  }
  SCOPED_TRACE("any");
  const OnnxModel any =
      model_of(kAny,
               {first, node("Shape", {"a"}, "s"), node("Gather", {"s", "zero"}, "n0"),
                node("Unsqueeze", {"n0", "axes"}, "n"), node("Concat", {"n", "rest5"}, "to5", {{"axis", int64_t{0}}}),
                node("Concat", {"n", "rest4"}, "to4", {{"axis", int64_t{0}}})},
               {tensor<int64_t>("zero", DType::i64, {}, {0}), integers("axes", {0}), integers("rest5", {2, 3, 8, 8}),
                integers("rest4", {-1, 8, 8})});
  expect_logits(finish(any), run);
}

// 4 patches of 8 features, 2 heads of 4, as torch.nn.MultiheadAttention is written for one image.
OnnxModel attention_model() {
  std::vector<OnnxNode> nodes{node("Conv", {"x", "patch"}, "a", {{"strides", Extents{4, 4}}}),
                              node("Reshape", {"a", "to_tokens"}, "b"),
                              node("Transpose", {"b"}, "t", {perm({2, 0, 1})}),  // {L, 1, D}
                              node("MatMul", {"t", "in.weight"}, "p"),
                              node("Add", {"in.bias", "p"}, "q"),
                              node("Reshape", {"q", "to_three"}, "r"),
                              node("Transpose", {"r"}, "three", {perm({2, 0, 1, 3})})};
  std::vector<OnnxTensor> tensors{floats("patch", {8, 3, 4, 4}),
                                  integers("to_tokens", {1, 8, 4}),
                                  floats("in.weight", {8, 24}),
                                  floats("in.bias", {24}),
                                  integers("to_three", {4, 1, 3, 8}),
                                  integers("to_heads", {4, 2, 4}),
                                  integers("to_rows", {4, 8}),
                                  integers("to_sequence", {4, 1, 8}),
                                  floats("out.weight", {8, 8}),
                                  floats("out.bias", {8}),
                                  number("half", 0.5F),
                                  tensor<int64_t>("first", DType::i64, {}, {0}),
                                  floats("fc.weight", {5, 8}),
                                  floats("fc.bias", {5})};
  for (const int64_t i : {0, 1, 2}) {
    const auto id = [&](const char* stem) { return fmt::format("{}{}", stem, i); };
    tensors.push_back(tensor<int64_t>(id("i"), DType::i64, {}, {i}));
    nodes.push_back(node("Gather", {"three", id("i")}, id("g"), {{"axis", int64_t{0}}}));
    nodes.push_back(node("Reshape", {id("g"), "to_heads"}, id("h")));
    nodes.push_back(node("Transpose", {id("h")}, id("v"), {perm(i == 1 ? Extents{1, 2, 0} : Extents{1, 0, 2})}));
  }
  for (const OnnxNode& next :
       {node("Mul", {"v0", "half"}, "scaled"), node("MatMul", {"scaled", "v1"}, "scores"),
        node("Softmax", {"scores"}, "shares", {{"axis", int64_t{-1}}}), node("MatMul", {"shares", "v2"}, "mixed"),
        node("Transpose", {"mixed"}, "back", {perm({1, 0, 2})}), node("Reshape", {"back", "to_rows"}, "rows"),
        node("Gemm", {"rows", "out.weight", "out.bias"}, "o", {{"transB", int64_t{1}}}),
        node("Reshape", {"o", "to_sequence"}, "u"), node("Add", {"t", "u"}, "w"),
        node("Gather", {"w", "first"}, "token", {{"axis", int64_t{0}}}),
        node("Gemm", {"token", "fc.weight", "fc.bias"}, "y", {{"transB", int64_t{1}}})}) {
    nodes.push_back(next);
  }
  return model_of(int64_t{1}, nodes, tensors);
}

TEST(OnnxImport, AttentionForOneImageIsThatOfEach) {
  expect_logits(attention_model(), [](const Maps& x) {
    const Maps tokens = convolved(x, "patch", {.out = 8, .kh = 4, .kw = 4, .sh = 4, .sw = 4});
    std::vector<Doubles> rows;
    for (size_t i = 0; i < 4; ++i) {
      const auto token = tokens.values.begin() + static_cast<std::ptrdiff_t>(8 * i);
      rows.push_back(product(Doubles(token, token + 8), "in.weight", "in.bias", 24, false));
    }
    Doubles mixed(8);
    for (size_t head = 0; head < 2; ++head) {
      double shares[4], all = 0;
      for (size_t k = 0; k < 4; ++k) {
        double score = 0;
        for (size_t i = 4 * head; i < 4 * head + 4; ++i) score += rows[0][i] * rows[k][8 + i];
        all += shares[k] = std::exp(0.5 * score);
      }
      for (size_t k = 0; k < 4; ++k) {
        for (size_t i = 4 * head; i < 4 * head + 4; ++i) mixed[i] += shares[k] / all * rows[k][16 + i];
      }
    }
    Doubles token = product(mixed, "out.weight", "out.bias", 8, true);
    for (size_t i = 0; i < 8; ++i) token[i] += tokens.values[i];
    return product(token, "fc.weight", "fc.bias", 5, true);
  });
}

TEST(OnnxImport, ChannelsLastAsOfTensorFlow) {
  OnnxModel model =
      model_of(kAny,
               {node("Transpose", {"x"}, "a", {perm({0, 3, 1, 2})}),
                node("Conv", {"a", "conv"}, "b", {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Extents{2, 2}}}),
                node("Transpose", {"b"}, "c", {perm({0, 2, 3, 1})}), node("Relu", {"c"}, "d"),
                node("ReduceMean", {"d"}, "e", {{"axes", Extents{1, 2}}, {"keepdims", int64_t{0}}}),
                node("MatMul", {"e", "kernel"}, "f"), node("Add", {"f", "bias"}, "y")},
               {floats("conv", {4, 3, 3, 3}), floats("kernel", {4, 5}), floats("bias", {5})});
  model.inputs[0].shape = {kAny, kSide, kSide, int64_t{3}};
  const OnnxNetwork network = onnx_network(model);
  EXPECT_EQ(role_of(network, "kernel"), Role::head_weight);
  EXPECT_EQ(role_of(network, "bias"), Role::head_bias);
  expect_logits(model, [](const Maps& x) {
    const Filter filter{.out = 4, .kh = 3, .kw = 3, .pads = {0, 0, 1, 1}, .sh = 2, .sw = 2};
    return product(averaged(rectified(convolved(x, "conv", filter))), "kernel", "bias", 5, false);
  });
}

TEST(OnnxImport, FunctionsOfSeveralNodesAreOneAndWhatIsUnusedIsLeftOut) {
  const OnnxModel model =
      model_of(kAny,
               {node("Conv", {"x", "w"}, "a"), node("Div", {"a", "root"}, "b"), node("Erf", {"b"}, "c"),
                node("Add", {"c", "one"}, "d"), node("Mul", {"a", "d"}, "e"), node("Mul", {"e", "half"}, "gelu"),
                node("Sigmoid", {"gelu"}, "s"), node("Mul", {"gelu", "s"}, "silu"),
                node("GlobalAveragePool", {"silu"}, "g"), node("Flatten", {"g"}, "z"), node("Softmax", {"z"}, "y"),
                node("Conv", {"x", "unused"}, "u"), node("Unheard", {"u"}, "v")},
               {floats("w", {4, 3, 1, 1}), number("root", std::sqrt(2.0F)), number("one", 1), number("half", 0.5F),
                floats("unused", {4, 3, 1, 1})});
  const OnnxNetwork network = onnx_network(model);
  EXPECT_TRUE(network.softmax);
  EXPECT_THAT(names_of(network), ElementsAre("w"));
  const std::vector<std::string> ops = ops_of(network);
  EXPECT_EQ(std::ranges::count(ops, "activation"), 2) << testing::PrintToString(ops);
  EXPECT_EQ(std::ranges::count(ops, "unary") + std::ranges::count(ops, "mul") + std::ranges::count(ops, "add"), 0);
  expect_logits(model, [](const Maps& x) {
    Maps y = convolved(x, "w", {.out = 4, .kh = 1, .kw = 1});
    for (double& v : y.values) {
      v = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
      v = v / (1 + std::exp(-v));
    }
    return averaged(y);
  });
}

TEST(OnnxImport, BrainFloatsThatAreCastAreWeights) {
  const std::vector<uint16_t> bits{0x3f80, 0xbf80, 0x4049};  // 1, -1, 3.140625
  const OnnxModel model =
      model_of(kAny,
               {node("Cast", {"w"}, "floats", {{"to", int64_t{1}}}), node("Conv", {"x", "floats"}, "c"),
                node("GlobalAveragePool", {"c"}, "g"), node("Flatten", {"g"}, "y")},
               {tensor<uint16_t>("w", DType::bf16, {1, 3, 1, 1}, bits)});
  const OnnxNetwork network = onnx_network(model);
  EXPECT_THAT(network.weights.at("w"), ElementsAre(1, -1, 3.140625F));
  expect_logits(model, [](const Maps& x) {
    const Doubles means = averaged(x);
    return Doubles{means[0] - means[1] + 3.140625 * means[2]};
  });
}

TEST(OnnxImport, InputsThatNothingTakesAreLeftOut) {
  OnnxModel model = small_model();
  const OnnxNetwork network = onnx_network(model);
  model.inputs.insert(model.inputs.begin(), {"left over", DType::f32, {int64_t{1}, int64_t{3}}});
  EXPECT_EQ(logits_of(onnx_network(model), images(2)), logits_of(network, images(2)));
  model.nodes.push_back(node("Add", {"a", "left over"}, "unused"));
  EXPECT_THAT([&] { onnx_network(model); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("expected a model of one input, its images, got 2")));
}

// As exporters of opset 7 write them.
TEST(OnnxImport, WeightsMayBeConstantsOfAnySize) {
  OnnxNode constant = node("Constant", {}, "w");
  constant.attributes.push_back({"value", floats("w", {16384, 3, 8, 8})});
  const OnnxModel model = model_of(kAny, {constant, node("Conv", {"x", "w"}, "c"), node("Flatten", {"c"}, "y")}, {});
  EXPECT_EQ(onnx_network(model).weights.size(), 1U);
}

TEST(OnnxImport, ProductsWithVectors) {
  const OnnxModel model = model_of(
      kAny, {node("Conv", {"x", "w"}, "c"), node("MatMul", {"rows", "c"}, "r"), node("MatMul", {"r", "columns"}, "y")},
      {floats("w", {4, 3, 1, 1}), floats("rows", {kSide}), floats("columns", {kSide})});
  expect_logits(model, [](const Maps& x) {
    Maps y = convolved(x, "w", {.out = 4, .kh = 1, .kw = 1});
    const Floats rows = drawn("rows", kSide), columns = drawn("columns", kSide);
    Doubles sums(4);
    for (int64_t i = 0; i < kSide * kSide * 4; ++i) {
      const auto row = static_cast<size_t>(i / 4 / kSide), column = static_cast<size_t>(i / 4 % kSide);
      sums[static_cast<size_t>(i % 4)] += rows[row] * y.values[static_cast<size_t>(i)] * columns[column];
    }
    return sums;
  });
}

// Of rows, as group norms of other exporters are.
TEST(OnnxImport, InstanceNormsAreExportedAgain) {
  const OnnxModel model =
      model_of(kAny,
               {node("Conv", {"x", "w"}, "c"), node("Reshape", {"c", "rows"}, "r"),
                node("InstanceNormalization", {"r", "scale", "shift"}, "n"), node("Reshape", {"n", "maps"}, "m"),
                node("Mul", {"m", "factor"}, "p"), node("GlobalAveragePool", {"p"}, "g"), node("Flatten", {"g"}, "y")},
               {floats("w", {4, 3, 1, 1}), integers("rows", {0, 2, -1}), integers("maps", {0, 4, kSide, kSide}),
                floats("scale", {2}), floats("shift", {2}), floats("factor", {4, kSide, kSide})});
  const OnnxNetwork network = onnx_network(model);
  const OnnxModel again = to_onnx(network.graph,
                                  [&](const std::string& name, std::span<float> into) {
                                    std::ranges::copy(network.weights.at(name), into.begin());
                                  },
                                  {});
  const Floats once = logits_of(network, images(2));
  expect_near(logits_of(onnx_network(again), images(2)), {once.begin(), once.end()});
}

OnnxModel quantising_model(OnnxTensor zero_point, std::vector<OnnxNode> last) {
  std::vector<OnnxNode> nodes{node("QuantizeLinear", {"x", "scale", "zero"}, "q")};
  nodes.insert(nodes.end(), last.begin(), last.end());
  return model_of(kAny, std::move(nodes), {number("scale", 0.006F), std::move(zero_point), floats("w", {4, 3, 1, 1})});
}

const std::vector<OnnxNode> kDequantised{node("DequantizeLinear", {"q", "scale", "zero"}, "d"),
                                         node("Conv", {"d", "w"}, "c"), node("GlobalAveragePool", {"c"}, "g"),
                                         node("Flatten", {"g"}, "y")};

TEST(OnnxImport, ActivationsAreRoundedToBytes) {
  for (const int zero_point : {120, -3}) {
    const bool has_sign = zero_point < 0;
    const OnnxTensor zero = has_sign ? tensor<int8_t>("zero", DType::i8, {}, {static_cast<int8_t>(zero_point)})
                                     : tensor<uint8_t>("zero", DType::u8, {}, {static_cast<uint8_t>(zero_point)});
    const OnnxModel model = quantising_model(zero, kDequantised);
    EXPECT_THAT(ops_of(onnx_network(model)), testing::IsSupersetOf({"quantize", "dequantize"}));
    expect_logits(model, [&](Maps x) {
      for (double& v : x.values) {
        const double q = std::nearbyint(v / double{0.006F}) + zero_point;
        v = double{0.006F} * (std::clamp(q, has_sign ? -128.0 : 0.0, has_sign ? 127.0 : 255.0) - zero_point);
      }
      return averaged(convolved(x, "w", {.out = 4, .kh = 1, .kw = 1}));
    });
  }
}

TEST(OnnxImport, OtherQuantisationsAreRefused) {
  const auto refused = [](const OnnxModel& model, const char* why) {
    EXPECT_THAT([&] { onnx_network(model); }, testing::ThrowsMessage<Error>(testing::HasSubstr(why)));
  };
  const OnnxTensor zero = tensor<uint8_t>("zero", DType::u8, {}, {0});
  OnnxModel by_channel = quantising_model(zero, kDequantised);
  by_channel.tensors[0] = tensor<float>("scale", DType::f32, {3}, {1, 2, 3});
  refused(by_channel, "expected one known scale and zero point for all elements");
  refused(quantising_model(tensor<int32_t>("zero", DType::i32, {}, {0}), kDequantised),
          "expected a known zero point of 8 bits");
  OnnxModel of_nothing = quantising_model(zero, kDequantised);
  of_nothing.tensors[0] = number("scale", 0);
  refused(of_nothing, "quantize: expected a scale above 0");
  OnnxModel of_floats = quantising_model(zero, kDequantised);
  of_floats.nodes[1].inputs[0] = "x";
  refused(of_floats, "expected what a QuantizeLinear makes");
}

}  // namespace
}  // namespace convoy
