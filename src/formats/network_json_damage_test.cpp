// Whatever a text holds: an Error of one line that names the culprit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "convoy/error.h"
#include "formats/network_json.h"
#include "formats/network_json_testing.h"
#include "plan/quantized_testing.h"

namespace convoy {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

// The node of an op, or the tensor of a name.
json& node_of(json& root, std::string_view op) {
  for (json& one : root["nodes"]) {
    if (one["op"] == op) return one;
  }
  throw Error("no such node");
}

json& tensor_of(json& root, std::string_view name) {
  for (json& one : root["tensors"]) {
    if (one["name"] == name) return one;
  }
  throw Error("no such tensor");
}

struct Damage {
  std::string name;
  std::function<void(json& root)> make;
  std::string expected;  // part of the message
};

class DamagedQuantizedJson : public testing::TestWithParam<Damage> {};

TEST_P(DamagedQuantizedJson, IsRefused) {
  Graph graph(Mode::training);
  const Value images(&graph, graph.add_input("images", {{1, 6, 6, 3}}));
  graph.set_output("logits", quantized_net(Builder(graph), images, {.num_classes = 4}).id());
  json root = json::parse(network_to_json(graph));
  ASSERT_NO_THROW(network_from_json(root.dump(), "whole"));
  GetParam().make(root);
  const std::string got = message([&] { network_from_json(root.dump(), "damaged"); });
  EXPECT_THAT(got, StartsWith("the network is damaged: "));
  EXPECT_THAT(got, HasSubstr(GetParam().expected));
}

const std::vector<Damage> kQuantizedDamages{
    {"unknown_type", [](json& root) { tensor_of(root, "mix.weight")["type"] = "F16"; },
     "tensors[3]: expected F32 or I8 as a tensor's type, got \"F16\""},
    {"state_of_bytes", [](json& root) { tensor_of(root, "mix.weight")["trained"] = false; },
     "tensors[3]: \"mix.weight\": expected a tensor of I8 to be trained"},
    {"weight_of_floats", [](json& root) { tensor_of(root, "mix.weight").erase("type"); },
     "quantized_conv2d: expected its weight to be I8, got F32"},
    {"bias_of_bytes", [](json& root) { tensor_of(root, "mix.bias")["type"] = "I8"; },
     "quantized_conv2d: expected its bias to be F32, got I8"},
    {"scales_of_another_shape", [](json& root) { tensor_of(root, "mix.weight_scale")["shape"] = {13}; },
     "quantized_conv2d: expected its weight_scale to be 12, got 13"},
    {"no_scale", [](json& root) { node_of(root, "quantize")["attributes"].erase("scale"); },
     "quantize: the attribute 'scale' is missing"},
    {"scale_of_0", [](json& root) { node_of(root, "quantize")["attributes"]["scale"] = 0; },
     "quantize: expected a scale above 0 and a zero point from 0 to 255, got scale=0 zero_point=128"},
    {"scale_below_0", [](json& root) { node_of(root, "dequantize")["attributes"]["scale"] = -1; },
     "dequantize: expected a scale above 0"},
    {"zero_point_beyond_bytes", [](json& root) { node_of(root, "quantize")["attributes"]["zero_point"] = 256; },
     "got scale=0.02 zero_point=256"},
    {"input_scale_of_0", [](json& root) { node_of(root, "quantized_conv2d")["attributes"]["in_scale"] = 0; },
     "quantized_conv2d: expected a scale above 0 and a zero point from 0 to 255 of its input"},
    {"output_scale_below_0", [](json& root) { node_of(root, "quantized_conv2d")["attributes"]["out_scale"] = -0.5; },
     "of its output, got scale=-0.5"},
    {"zero_point_without_scale",
     [](json& root) { node_of(root, "quantized_conv2d")["attributes"]["addend_zero_point"] = 3; },
     "of its addend, got scale=0 zero_point=3"},
    {"input_of_floats", [](json& root) { node_of(root, "quantized_conv2d")["inputs"][0] = 0; },
     "quantized_conv2d: expected its input to be U8, got F32"},
};

INSTANTIATE_TEST_SUITE_P(NetworkJson, DamagedQuantizedJson, testing::ValuesIn(kQuantizedDamages),
                         [](const auto& info) { return info.param.name; });

class DamagedNetworkJson : public testing::TestWithParam<Damage> {};

TEST_P(DamagedNetworkJson, IsRefused) {
  json root = small_json();
  ASSERT_NO_THROW(network_from_json(root.dump(), "whole"));
  GetParam().make(root);
  const std::string got = message([&] { network_from_json(root.dump(), "damaged"); });
  EXPECT_THAT(got, StartsWith("the network is damaged: "));
  EXPECT_THAT(got, HasSubstr(GetParam().expected));
}

json new_node(const std::string& op, const json& attributes, const json& inputs) {
  return {{"op", op}, {"attributes", attributes}, {"inputs", inputs}, {"outputs", 1}};
}

const std::vector<Damage> kDamages{
    {"newer", [](json& root) { root["format"] = 2; },
     "expected format 1 of the network, got 2; use a newer version of Convoy"},
    {"older", [](json& root) { root["format"] = 0; },
     "expected format 1 of the network, got 0; use an older version of Convoy"},
    {"format_beyond_32_bits", [](json& root) { root["format"] = 4294967297; }, "got 4294967297"},
    {"format_as_word", [](json& root) { root["format"] = "1"; }, "got string"},
    {"no_format", [](json& root) { root.erase("format"); }, "key 'format' not found"},
    {"no_image_size", [](json& root) { root.erase("image_size"); }, "key 'image_size' not found"},
    {"no_images", [](json& root) { root["image_size"] = 0; }, "expected a whole number from 1 to 16384, got 0"},
    {"huge_images", [](json& root) { root["image_size"] = 16385; }, "from 1 to 16384, got 16385"},
    {"broken_image_size", [](json& root) { root["image_size"] = 8.5; }, "got 8.5"},
    {"infinite_image_size", [](json& root) { root["image_size"] = 1e300; }, "got 1e+300"},
    {"other_image_size", [](json& root) { root["image_size"] = 1; }, "nodes[3]: pooling: a 1x1 map does not fit"},
    {"no_tensors", [](json& root) { root["tensors"] = json::array(); }, "expected a network with tensors, got none"},
    {"tensors_left_out", [](json& root) { root.erase("tensors"); }, "key 'tensors' not found"},
    {"tensors_as_object", [](json& root) { root["tensors"] = json::object(); }, "actual type is object"},
    {"constants_left_out", [](json& root) { root.erase("constants"); }, "key 'constants' not found"},
    {"nodes_left_out", [](json& root) { root.erase("nodes"); }, "key 'nodes' not found"},
    {"no_nodes", [](json& root) { root["nodes"] = json::array(); }, "below 9, got 20"},
    {"nested_too_deep",
     [](json& root) {
       node_of(root, "conv2d")["attributes"]["kernel"] = {{3, 3}};
     },
     "the network is nested too deeply"},

    {"no_name", [](json& root) { tensor_of(root, "bn.bias").erase("name"); }, "tensors[2]: "},
    {"empty_name", [](json& root) { tensor_of(root, "bn.bias")["name"] = ""; },
     "tensors[2]: \"\": expected a name that can be printed"},
    {"two_lines_of_name", [](json& root) { tensor_of(root, "bn.bias")["name"] = "a\nb"; },
     "tensors[2]: \"a\\nb\": expected a name that can be printed"},
    {"twice_a_name", [](json& root) { tensor_of(root, "bn.bias")["name"] = "bn.weight"; }, "'bn.weight'"},
    {"name_of_the_images", [](json& root) { tensor_of(root, "bn.bias")["name"] = "images"; }, "'images'"},
    {"trained_as_number", [](json& root) { tensor_of(root, "bn.bias")["trained"] = 1; }, "tensors[2]: "},
    {"negative_extent", [](json& root) { tensor_of(root, "bn.bias")["shape"] = {-4}; },
     "tensors[2]: shape: dimension 0 has extent -4"},
    {"no_extent", [](json& root) { tensor_of(root, "bn.bias")["shape"] = {0}; }, "tensors[2]: shape: dimension 0"},
    {"huge_extent", [](json& root) { tensor_of(root, "bn.bias")["shape"] = {int64_t{1} << 41}; },
     "tensors[2]: shape: dimension 0 has extent 2199023255552"},
    {"extent_beyond_64_bits", [](json& root) { tensor_of(root, "bn.bias")["shape"] = {18446744073709551612U}; },
     "tensors[2]: expected a whole number"},
    {"broken_extent", [](json& root) { tensor_of(root, "bn.bias")["shape"] = {4.5}; }, "tensors[2]: expected whole"},
    {"shape_as_number", [](json& root) { tensor_of(root, "bn.bias")["shape"] = 4; }, "tensors[2]: expected a list"},
    {"too_many_axes", [](json& root) { tensor_of(root, "bn.bias")["shape"] = {1, 1, 1, 1, 1, 1, 4}; },
     "tensors[2]: shape: at most 6"},
    {"unknown_start", [](json& root) { tensor_of(root, "bn.bias")["start"] = "orthogonal"; },
     "tensors[2]: unknown word \"orthogonal\""},
    {"dirac_vector", [](json& root) { tensor_of(root, "bn.bias")["start"] = "dirac"; },
     "tensors[2]: \"bn.bias\": expected four axes where it starts"},
    {"start_beyond_floats", [](json& root) { tensor_of(root, "bn.bias")["start_value"] = 1e39; },
     "tensors[2]: expected a number that float32 can hold"},
    {"unknown_layout", [](json& root) { tensor_of(root, "bn.bias")["layout"] = "OIHW"; },
     "tensors[2]: unknown word \"OIHW\""},
    {"vector_as_convolution", [](json& root) { tensor_of(root, "bn.bias")["layout"] = "conv"; },
     "tensors[2]: \"bn.bias\": expected four axes in the layout"},
    {"vector_as_matrix", [](json& root) { tensor_of(root, "bn.bias")["layout"] = "linear"; },
     "tensors[2]: \"bn.bias\": expected a shape [1, 1, in, out]"},
    {"convolution_as_matrix", [](json& root) { tensor_of(root, "conv.weight")["layout"] = "linear"; },
     "tensors[0]: \"conv.weight\": expected a shape [1, 1, in, out]"},
    {"unknown_role", [](json& root) { tensor_of(root, "bn.bias")["role"] = "tail"; }, "unknown word \"tail\""},
    {"scalar_head",
     [](json& root) {
       tensor_of(root, "bn.bias")["shape"] = json::array();
       tensor_of(root, "bn.bias")["role"] = "head_bias";
     },
     "tensors[2]: \"bn.bias\": expected axes of a tensor of the head"},
    {"head_of_two_minds", [](json& root) { tensor_of(root, "fc.bias")["shape"] = {11}; },
     "tensors[6]: \"fc.bias\": expected 10 classes as in the rest of the head, got 11"},

    {"broken_constant", [](json& root) { root["constants"][0]["value"] = nullptr; }, "constants[0]: "},
    {"huge_constant",
     [](json& root) {
       root["constants"][0]["shape"] = {1 << 21, 1 << 21};
     },
     "constants[0]: shape: "},

    {"unknown_op", [](json& root) { node_of(root, "conv2d")["op"] = "conv2b"; },
     "nodes[0]: unknown op 'conv2b' (did you mean 'conv2d'?)"},
    {"op_of_two_lines", [](json& root) { node_of(root, "conv2d")["op"] = "conv\n2d"; }, "unknown op 'conv?2d'"},
    {"no_op", [](json& root) { node_of(root, "conv2d").erase("op"); }, "nodes[0]: "},
    {"node_as_list", [](json& root) { root["nodes"][1] = json::array(); }, "nodes[1]: "},
    {"missing_attribute", [](json& root) { node_of(root, "conv2d")["attributes"].erase("kernel"); },
     "nodes[0]: conv2d: the attribute 'kernel' is missing"},
    {"surplus_attribute", [](json& root) { node_of(root, "conv2d")["attributes"]["depth"] = 3; },
     "nodes[0]: conv2d: it has no attribute 'depth'"},
    {"training_of_a_convolution", [](json& root) { node_of(root, "conv2d")["attributes"]["training"] = true; },
     "nodes[0]: conv2d: it has no attribute 'training'"},
    {"attribute_of_another_type", [](json& root) { node_of(root, "conv2d")["attributes"]["kernel"] = "3x3"; },
     "nodes[0]: conv2d: the attribute 'kernel' cannot be 3x3"},
    {"three_sides_of_a_kernel",
     [](json& root) {
       node_of(root, "conv2d")["attributes"]["kernel"] = {3, 3, 3};
     },
     "nodes[0]: conv2d: the attribute 'kernel' cannot be 3x3x3"},
    {"words_of_two_lines", [](json& root) { node_of(root, "activation")["attributes"]["function"] = "re\nlu"; },
     "nodes[2]: activation: the attribute 'function' cannot be re?lu"},
    {"attribute_without_value", [](json& root) { node_of(root, "conv2d")["attributes"]["kernel"] = nullptr; },
     "nodes[0]: expected a number, a word or a list"},
    {"attribute_beyond_64_bits",
     [](json& root) { node_of(root, "dropout")["attributes"]["stream"] = 18446744073709551615U; },
     "nodes[7]: expected a whole number"},
    {"list_beyond_64_bits",
     [](json& root) {
       node_of(root, "conv2d")["attributes"]["padding"] = {18446744073709551615U, 0};
     },
     "nodes[0]: expected a whole number"},
    {"list_of_words",
     [](json& root) {
       node_of(root, "conv2d")["attributes"]["padding"] = {"1", "1"};
     },
     "nodes[0]: expected whole numbers"},
    {"impossible_stride",
     [](json& root) {
       node_of(root, "conv2d")["attributes"]["stride"] = {0, 1};
     },
     "nodes[0]: conv2d: a convolution cannot have"},
    {"impossible_probability", [](json& root) { node_of(root, "dropout")["attributes"]["probability"] = 1; },
     "nodes[7]: dropout: expected a probability in [0, 1), got 1"},
    {"no_probability", [](json& root) { node_of(root, "dropout")["attributes"].erase("probability"); },
     "nodes[7]: dropout: the attribute 'probability' is missing"},
    {"huge_reshape",
     [](json& root) {
       node_of(root, "reshape")["attributes"]["shape"] = {INT64_MAX, 4};
     },
     "nodes[6]: reshape: too many elements"},
    {"reshape_to_more",
     [](json& root) {
       node_of(root, "reshape")["attributes"]["shape"] = {1, 5};
     },
     "nodes[6]: reshape: 2x1x1x4 has 8 elements, 2x5 has 10"},

    {"too_few_inputs",
     [](json& root) {
       node_of(root, "conv2d")["inputs"] = {0, 1};
     },
     "nodes[0]: conv2d: expected 4 inputs, got 2"},
    {"required_input_absent", [](json& root) { node_of(root, "batch_norm")["inputs"][2] = nullptr; },
     "nodes[1]: batch_norm: its bias is missing"},
    {"nothing_to_drop", [](json& root) { node_of(root, "dropout")["inputs"] = json::array(); },
     "nodes[7]: dropout: its input is missing"},
    {"drops_nothing", [](json& root) { node_of(root, "dropout")["inputs"] = {nullptr}; },
     "nodes[7]: dropout: its input is missing"},
    {"drops_and_adds",
     [](json& root) {
       node_of(root, "dropout")["op"] = "drop_path";
       root["nodes"][7]["inputs"] = {18, 18};
     },
     "nodes[7]: drop_path: a network has none with an addend"},
    {"a_cycle", [](json& root) { node_of(root, "activation")["inputs"] = {13}; },
     "nodes[2]: expected the number of an earlier value, below 13, got 13"},
    {"a_later_value", [](json& root) { node_of(root, "conv2d")["inputs"][0] = 19; }, "below 9, got 19"},
    {"a_value_below_all", [](json& root) { node_of(root, "conv2d")["inputs"][2] = -1; }, "nodes[0]: expected a whole"},
    {"a_value_beyond_32_bits", [](json& root) { node_of(root, "conv2d")["inputs"][0] = int64_t{1} << 32; },
     "nodes[0]: expected a whole number from 0 to 2147483647, got 4294967296"},
    {"a_broken_value", [](json& root) { node_of(root, "conv2d")["inputs"][0] = 0.5; }, "nodes[0]: expected a whole"},
    {"a_value_as_flag", [](json& root) { node_of(root, "conv2d")["inputs"][0] = false; }, "got boolean"},
    {"positions_of_maxima", [](json& root) { node_of(root, "channel_scale")["inputs"][0] = 15; },
     "nodes[4]: channel_scale: its input is missing"},
    {"no_outputs", [](json& root) { node_of(root, "conv2d")["outputs"] = 0; }, "nodes[0]: expected a whole number"},
    {"surplus_outputs", [](json& root) { node_of(root, "conv2d")["outputs"] = 2; },
     "nodes[0]: conv2d: expected at most 1 outputs, got 2"},
    {"huge_outputs", [](json& root) { node_of(root, "conv2d")["outputs"] = 1e9; }, "nodes[0]: expected a whole number"},

    {"weight_of_another_shape",
     [](json& root) {
       tensor_of(root, "conv.weight")["shape"] = {3, 3, 4, 4};
     },
     "nodes[0]: conv2d: expected its weight to be 3x3x3x4, got 3x3x4x4"},
    {"norm_of_another_shape", [](json& root) { tensor_of(root, "bn.running_var")["shape"] = {5}; },
     "nodes[1]: batch_norm: expected its running_var to be 4, got 5"},
    {"trained_statistics", [](json& root) { tensor_of(root, "bn.running_var")["trained"] = true; },
     "nodes[1]: batch_norm: expected its running_var to be a tensor that is not trained"},
    {"no_logits", [](json& root) { root.erase("logits"); }, "key 'logits' not found"},
    {"logits_of_another_shape", [](json& root) { root["logits"] = 17; },
     "expected logits 2x10 of 2 images, got 2x1x1x4"},
    {"logits_of_other_classes", [](json& root) { root["logits"] = 19; }, "expected logits 2x10 of 2 images, got 2x4"},
    {"logits_of_three_axes",
     [](json& root) {
       root["nodes"].push_back(new_node("reshape", {{"shape", {1, 10, 1}}}, {20}));
       root["logits"] = 21;
     },
     "expected logits 2x10 of 2 images, got 2x10x1"},
    {"logits_nobody_makes", [](json& root) { root["logits"] = 0; }, "got what no node makes"},
    {"logits_absent", [](json& root) { root["logits"] = nullptr; }, "expected a whole number"},
    {"logits_beyond_all", [](json& root) { root["logits"] = 21; }, "below 21, got 21"},

    {"a_loss",
     [](json& root) {
       root["nodes"].push_back(new_node("cross_entropie", json::object(), {20, 20}));
     },
     "nodes[9]: unknown op 'cross_entropie' (did you mean 'cross_entropy'?)"},
    {"an_update",
     [](json& root) {
       root["constants"].push_back({{"shape", {4}}, {"value", 0}});
       root["nodes"] = json::array({new_node("sgd", {{"momentum", 0}, {"weight_decay", 0}}, {2, nullptr, 9, nullptr})});
     },
     "nodes[0]: sgd: a network has no such op"},
    {"for_one_image_only",
     [](json& root) {
       root["constants"].push_back({{"shape", {1, 10}}, {"value", 0}});
       root["nodes"] = json::array({new_node("sum", json::object(), {9, 9})});
       root["logits"] = 10;
     },
     "expected logits 2x10 of 2 images, got 1x10"}};

INSTANTIATE_TEST_SUITE_P(Kinds, DamagedNetworkJson, testing::ValuesIn(kDamages),
                         [](const auto& damage) { return damage.param.name; });

TEST(NetworkJson, IsJson) {
  const std::map<std::string, std::string> expected{
      {"", "the network is not JSON"},
      {"[1]", "the network is not a JSON object"},
      {"7", "the network is not a JSON object"},
      {R"({"format": 1,)", "the network is not JSON"},
      {R"({"format": 1, "format": 1})", "the network names \"format\" twice"},
      {R"({"format": 1e400})", "the network is not JSON"},
      {"{\"\xFF\": 1}", "the network is not JSON"},
      {std::string(100000, '['), "the network is nested too deeply"}};
  for (const auto& [text, part] : expected) {
    EXPECT_THAT(message([&text = text] { network_from_json(text, "damaged"); }),
                StartsWith("the network is damaged: " + part));
  }
}

// Whatever one byte of a text becomes: it is read, or refused with one line.
TEST(NetworkJson, AnyByteMayBeDamaged) {
  const std::string whole = network_to_json(small_graph());
  int refused = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string text = whole;
    for (const char byte : {'0', '9', '"', '\x80'}) {
      text[i] = byte;
      refused += message([&] { network_from_json(text, "damaged"); }) == "no error" ? 0 : 1;
    }
  }
  EXPECT_GT(refused, static_cast<int>(whole.size()));
}

}  // namespace
}  // namespace convoy
