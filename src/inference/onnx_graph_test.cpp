// What an exported model is made of. That other runtimes answer as Convoy does, tools/check_onnx.py checks.
#include "inference/onnx_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <protozero/pbf_reader.hpp>
#include <set>
#include <sstream>

#include "convoy/bf16.h"
#include "convoy/error.h"
#include "convoy/export.h"
#include "convoy/model.h"
#include "convoy/ops.h"
#include "convoy/own_op.h"
#include "formats/encode.h"
#include "formats/onnx_fields.h"
#include "formats/safetensors.h"
#include "inference/model_file.h"
#include "ops/activation/activation.h"
#include "plan/network_graph.h"
#include "plan/quantized_testing.h"

namespace convoy {
namespace {

constexpr int64_t kSide = 64;

Graph graph_of_network(const Model& model) { return inference_graph(model, {.num_classes = 7}, {1, kSide, kSide, 3}); }

// Each variable's elements count up.
OnnxModel exported(const Graph& graph, const OnnxGraphOptions& options = {}) {
  return to_onnx(
      graph,
      [](const std::string&, std::span<float> into) {
        for (size_t i = 0; i < into.size(); ++i) into[i] = static_cast<float>(i);
      },
      options);
}

class EveryNetwork : public testing::TestWithParam<std::string> {};

TEST_P(EveryNetwork, IsAModelOfKnownNames) {
  const Graph graph = graph_of_network(find_model(GetParam()));
  const auto is_gelu = [](const Node& node) {
    const auto* op = op_as<ActivationOp>(node);
    return op != nullptr && op->function() == Activation::gelu;
  };
  for (const int64_t opset : {17, 22}) {
    if (opset == 22 && std::ranges::none_of(graph.nodes(), is_gelu)) break;  // as with 17
    const OnnxModel model = exported(graph, {.opset = opset});
    std::set<std::string> known{"images"}, used;
    for (const OnnxTensor& tensor : model.tensors) EXPECT_TRUE(known.insert(tensor.name).second) << tensor.name;
    std::set<std::string> variables = known;
    for (const OnnxNode& node : model.nodes) {
      for (const std::string& input : node.inputs) {
        EXPECT_TRUE(known.contains(input)) << node.name << " takes " << input << " before it is there";
        used.insert(input);
      }
      for (const std::string& output : node.outputs) EXPECT_TRUE(known.insert(output).second) << output;
      EXPECT_NE(node.op, opset >= 20 ? "Erf" : "Gelu");
    }
    EXPECT_TRUE(known.contains("logits"));
    for (const OnnxTensor& tensor : model.tensors) EXPECT_TRUE(used.contains(tensor.name)) << tensor.name;
    for (ValueId id = 0; id < graph.value_count(); ++id) {
      if (!graph.value(id).is_variable()) continue;
      const std::string& name = graph.value(id).name;
      EXPECT_TRUE(variables.contains(name) || variables.contains(name + ".T") || variables.contains(name + "/bias"))
          << name;
    }
  }
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const Model& model : models()) names.push_back(model.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, EveryNetwork, testing::ValuesIn(network_names()),
                         [](const auto& info) { return info.param; });

TEST(OnnxGraph, WeightsHaveTheOrderOfFiles) {
  Graph graph(Mode::inference);
  const Value images(&graph, graph.add_input("images", {{1, 4, 4, 3}}));
  const Value maps = conv2d(Builder(graph) / "conv", images, {.out_channels = 2, .kernel = {1, 2}, .bias = false});
  graph.set_output("logits", linear(Builder(graph) / "head", flatten(maps), {.out_features = 2}).id());
  const OnnxModel model = exported(graph);
  const auto find = [&](const std::string& name) { return *std::ranges::find(model.tensors, name, &OnnxTensor::name); };
  EXPECT_THAT(find("conv.weight").shape, testing::ElementsAre(2, 3, 1, 2));
  std::vector<float> values(12);
  std::memcpy(values.data(), find("conv.weight").bytes.data(), 48);
  // Of {1, 2, 3, 2} that count up: output 1, input 2, column 1 is (1 * 3 + 2) * 2 + 1.
  EXPECT_EQ(values[(1 * 3 + 2) * 2 + 1], 11);
  EXPECT_EQ(values[(1 * 3 + 0) * 2 + 1], 7);
  EXPECT_THAT(find("head.weight").shape, testing::ElementsAre(2, 24));
}

// Ops that no network of the registry has.
TEST(OnnxGraph, BroadcastingAndFunctionsHaveTheirForms) {
  const std::map<UnaryFunction, std::string> names{
      {UnaryFunction::tanh, "Tanh"}, {UnaryFunction::erf, "Erf"},   {UnaryFunction::exp, "Exp"},
      {UnaryFunction::log, "Log"},   {UnaryFunction::sqrt, "Sqrt"}, {UnaryFunction::reciprocal, "Reciprocal"},
      {UnaryFunction::abs, "Abs"}};
  for (const auto& [function, name] : names) {
    Graph graph(Mode::inference);
    const Value images(&graph, graph.add_input("images", {{1, 4, 4, 3}}));
    const Value bias = Builder(graph).parameter("bias", {3}, Initializer::constant(0));
    const Value sum = add(unary(global_avg_pool(images), function), expand(bias, global_avg_pool(images)));
    graph.set_output("logits", sum.id());
    const OnnxModel model = exported(graph);
    const auto find = [&](const std::string& op) { return std::ranges::find(model.nodes, op, &OnnxNode::op); };
    ASSERT_NE(find(name), model.nodes.end());
    ASSERT_NE(find("Expand"), model.nodes.end());
    ASSERT_NE(find("Shape"), model.nodes.end());
    EXPECT_THAT(find("Expand")->inputs, testing::ElementsAre("bias", find("Shape")->outputs[0]));
  }
}

template <class T>
std::vector<T> elements_of(const OnnxModel& model, const std::string& name) {
  const OnnxTensor& tensor = *std::ranges::find(model.tensors, name, &OnnxTensor::name);
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

TEST(OnnxGraph, QuantisedLayersAreBetweenDequantizeAndQuantize) {
  Graph graph(Mode::inference);
  const Value images(&graph, graph.add_input("images", {{1, 6, 6, 3}}));
  graph.set_output("logits", quantized_net(Builder(graph), images, {.num_classes = 4}).id());
  Variables variables;
  draw_quantized(graph, variables);
  const auto exported_now = [&] {
    return to_onnx(graph, [&](const std::string& name, std::span<float> into) { variables.read(name, into); }, {});
  };
  const OnnxModel model = exported_now();
  const auto node = [&](const std::string& output) -> const OnnxNode& {
    return *std::ranges::find_if(model.nodes, [&](const OnnxNode& n) { return n.outputs[0] == output; });
  };
  const auto conv = std::ranges::find(model.nodes, "Conv", &OnnxNode::op);
  const OnnxNode &input = node(conv->inputs[0]), &weight = node(conv->inputs[1]), &bias = node(conv->inputs[2]);
  for (const OnnxNode* made : {&input, &weight, &bias}) EXPECT_EQ(made->op, "DequantizeLinear");
  EXPECT_THAT(input.inputs, testing::ElementsAre("quantize_0/QuantizeLinear", "number_0.02", "byte_128"));
  EXPECT_EQ(elements_of<uint8_t>(model, "byte_128"), std::vector<uint8_t>{128});
  EXPECT_THAT(weight.inputs, testing::ElementsAre("conv.weight", "conv.weight_scale", "zeros_I8_12"));
  EXPECT_THAT(bias.inputs, testing::ElementsAre("conv.bias", "conv.bias.scale", "zeros_I32_12"));
  // Output 4, input 1, row 1, column 2 of {12, 3, 3, 3}; inside {3, 3, 3, 12}.
  EXPECT_EQ(elements_of<int8_t>(model, "conv.weight")[((4 * 3 + 1) * 3 + 1) * 3 + 2],
            variables.read("conv.weight")[((1 * 3 + 2) * 3 + 1) * 12 + 4]);
  const std::vector<float> scale = variables.read("conv.weight_scale"), numbers = variables.read("conv.bias");
  const auto whole = elements_of<int32_t>(model, "conv.bias");
  for (size_t c = 0; c < 12; ++c) {
    EXPECT_NEAR(whole[c], numbers[c] / (double{0.02F} * scale[c]), 0.51) << c;
    EXPECT_FLOAT_EQ(elements_of<float>(model, "conv.bias.scale")[c], 0.02F * scale[c]);
  }
  EXPECT_EQ(std::ranges::count(model.nodes, "Gemm", &OnnxNode::op), 1);
  EXPECT_EQ(std::ranges::count(model.nodes, "QuantizeLinear", &OnnxNode::op), 4);

  // A bias of more steps than 32 bits hold.
  std::vector<float> tiny = scale;
  tiny[3] = 1e-20F;
  variables.write("conv.weight_scale", tiny);
  const OnnxModel wide = exported_now();
  EXPECT_EQ(std::ranges::find(wide.nodes, "Conv", &OnnxNode::op)->inputs[2], "conv.bias");
}

struct Twice : OpOf<Twice> {
  static constexpr std::string_view kName = "twice";
  static constexpr Slot kSlots[] = {{"input"}};
  template <class Self, class Visitor>
  static void describe(Self&, Visitor&) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override { return {inputs[0]}; }
};

TEST(OnnxGraph, OwnOpsAreRefusedByName) {
  Graph graph(Mode::inference);
  const Value images(&graph, graph.add_input("images", {{1, 4, 4, 3}}));
  graph.set_output("logits", graph.add_node(std::make_shared<Twice>(), {images.id()})[0]);
  try {
    exported(graph);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "twice has no form in ONNX: it is known to Convoy alone");
  }
}

void write_small_model(const std::filesystem::path& file) {
  std::filesystem::create_directories(file.parent_path());
  ModelCard card;
  card.architecture = "resnet9";
  card.options.num_classes = 2;
  card.preprocessing.image_size = 32;
  card.class_names = {"cat", "dog"};
  const Graph graph = inference_graph(find_model("resnet9"), card.options, {1, 32, 32, 3});
  Variables variables;
  variables.add(graph, 1);
  write_model_file(file, card, graph, "", variables);
}

// Model files hold float32; another program may have stored theirs as brain floats.
TEST(OnnxExport, BrainFloatsAreWrittenAsTheFloatsThatTheyAre) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "convoy_onnx_bf16";
  write_small_model(folder / "f32.safetensors");
  const SafetensorsReader file(folder / "f32.safetensors");
  std::deque<std::vector<std::byte>> bytes;
  std::vector<TensorToStore> tensors;
  for (const StoredTensor& tensor : file.tensors()) {
    if (!is_floating(tensor.type)) continue;
    bytes.push_back(encode_floats(file.floats(tensor.name), DType::bf16));
    tensors.push_back({tensor.name, DType::bf16, tensor.shape, bytes.back()});
  }
  write_safetensors(folder / "bf16.safetensors", tensors, file.metadata());
  export_onnx(folder / "bf16.safetensors", {}, folder / "bf16.onnx");
  const OnnxModel model = read_onnx(folder / "bf16.onnx");
  for (const TensorToStore& tensor : tensors) {
    std::vector<float> expected = file.floats(tensor.name);
    for (float& x : expected) x = static_cast<float>(Bf16(x));
    const auto written = std::ranges::find(model.tensors, tensor.name, &OnnxTensor::name);
    ASSERT_NE(written, model.tensors.end()) << tensor.name;
    EXPECT_EQ(written->type, DType::f32);
    EXPECT_EQ(elements_of<float>(model, tensor.name), expected) << tensor.name;
  }
}

TEST(OnnxExport, FileHasTheModelsDescription) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "convoy_onnx";
  write_small_model(folder / "model.safetensors");
  for (const int64_t opset : {16, 23}) {
    EXPECT_THROW(export_onnx(folder / "model.safetensors", {.opset = opset}, folder / "model.onnx"), UsageError);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "model.onnx"));
  export_onnx(folder / "model.safetensors", {.opset = 18, .with_preprocessing = true}, folder / "model.onnx");

  std::ostringstream text;
  text << std::ifstream(folder / "model.onnx", std::ios::binary).rdbuf();
  const std::string bytes = text.str();
  std::map<std::string, std::string> metadata;
  int64_t opset = 0;
  protozero::pbf_reader model(bytes);
  while (model.next()) {
    if (model.tag() == onnx::kModelMetadata) {
      protozero::pbf_reader entry = model.get_message();
      std::string key;
      while (entry.next())
        entry.tag() == onnx::kEntryKey ? key = entry.get_string() : metadata[key] = entry.get_string();
    } else if (model.tag() == onnx::kModelOpsets) {
      protozero::pbf_reader entry = model.get_message();
      while (entry.next()) entry.tag() == onnx::kOpsetVersion ? void(opset = entry.get_int64()) : entry.skip();
    } else {
      model.skip();
    }
  }
  EXPECT_EQ(opset, 18);
  EXPECT_EQ(metadata.at("class_names"), R"(["cat","dog"])");
  EXPECT_THAT(metadata.at("convoy"), testing::HasSubstr(R"("architecture":"resnet9")"));
}

}  // namespace
}  // namespace convoy
