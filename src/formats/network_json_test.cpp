#include "formats/network_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "convoy/model.h"
#include "core/random.h"
#include "formats/network_json_testing.h"
#include "graph/graph.h"
#include "plan/quantized_testing.h"

namespace convoy {
namespace {

using nlohmann::json;
using testing::HasSubstr;

Graph build(const Model& model, Mode mode, int64_t batch, int64_t classes) {
  Graph graph(mode);
  const Value images(&graph, graph.add_input("images", {{batch, model.image_size, model.image_size, 3}}));
  graph.set_output("logits", build_network(model, Builder(graph), images, {.num_classes = classes}).id());
  return graph;
}

// graph.to_string() with the unnamed values numbered as they come up: a network that is read has all its tensors, and
// so their ids, before its first node.
std::string text_of(const Graph& graph) {
  const std::string text = graph.to_string();
  std::map<std::string, size_t> numbers;
  std::string renumbered;
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '%') {
      renumbered += text[i++];
      continue;
    }
    const size_t end = std::min(text.find_first_not_of("0123456789", i + 1), text.size());
    const size_t number = numbers.emplace(text.substr(i, end - i), numbers.size()).first->second;
    renumbered.append("%").append(std::to_string(number));
    i = end;
  }
  return renumbered;
}

// Everything about a graph's tensors, in their order.
std::vector<std::string> tensors_of(const Graph& graph) {
  std::vector<std::string> tensors;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (!info.is_variable()) continue;
    const json facts = {info.name,
                        to_string(info.type.dtype),
                        static_cast<int>(info.kind),
                        info.type.shape.to_string(),
                        static_cast<int>(info.start.kind),
                        info.start.value,
                        static_cast<int>(info.layout),
                        static_cast<int>(info.role)};
    tensors.push_back(facts.dump());
  }
  return tensors;
}

TEST(NetworkJson, HoldsQuantisedNetworks) {
  const Model model{.name = "q", .description = "", .image_size = 6, .num_classes = 4, .build = quantized_net};
  const Graph expected = build(model, Mode::inference, 3, 4);
  const Model read = network_from_json(network_to_json(build(model, Mode::training, 1, 4)), "read");
  const Graph graph = build(read, Mode::inference, 3, 4);
  EXPECT_EQ(text_of(graph), text_of(expected));
  EXPECT_EQ(tensors_of(graph), tensors_of(expected));
  EXPECT_EQ(text_of(build(read, Mode::inference, 1, 7)), text_of(build(model, Mode::inference, 1, 7)));
}

class NetworkJsonOfModel : public testing::TestWithParam<std::string> {};

TEST_P(NetworkJsonOfModel, ComesBackInBothModesAndForOtherBatches) {
  const Model& model = find_model(GetParam());
  const Model read = network_from_json(network_to_json(build(model, Mode::training, 1, 10)), "read");
  EXPECT_EQ(read.name, "read");
  EXPECT_EQ(read.num_classes, 10);
  EXPECT_EQ(read.image_size, model.image_size);
  for (const Mode mode : {Mode::training, Mode::inference}) {
    const Graph expected = build(model, mode, 3, 10), graph = build(read, mode, 3, 10);
    EXPECT_EQ(text_of(graph), text_of(expected));
    EXPECT_EQ(tensors_of(graph), tensors_of(expected));
  }
}

TEST_P(NetworkJsonOfModel, TakesAnotherNumberOfClasses) {
  const Model& model = find_model(GetParam());
  const Model read = network_from_json(network_to_json(build(model, Mode::training, 1, 10)), "read");
  const Graph graph = build(read, Mode::training, 1, 7), before = build(read, Mode::training, 1, 10);
  EXPECT_EQ(text_of(graph), text_of(build(model, Mode::training, 1, 7)));
  int changed = 0;
  for (const ValueId id : before.parameters()) {
    const ValueInfo &was = before.value(id), &is = graph.value(graph.named(was.name));
    EXPECT_EQ(is.role, was.role);
    const bool of_head = was.role == Role::head_weight || was.role == Role::head_bias;
    EXPECT_EQ(is.type.shape != was.type.shape, of_head) << was.name;
    changed += of_head ? 1 : 0;
    EXPECT_EQ(of_head ? is.type.shape[-1] : 7, 7);
  }
  EXPECT_GE(changed, 1);
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Model& model : models()) all.push_back(model.name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Registry, NetworkJsonOfModel, testing::ValuesIn(names()),
                         [](const auto& model) { return model.param; });

json tensor(const std::string& name, bool trained, const std::vector<int64_t>& shape, const std::string& layout,
            const std::string& start, float start_value) {
  return {{"name", name},     {"trained", trained}, {"shape", shape},
          {"layout", layout}, {"start", start},     {"start_value", start_value}};
}

json node(const std::string& op, const json& attributes, const json& inputs, int outputs) {
  return {{"op", op}, {"attributes", attributes}, {"inputs", inputs}, {"outputs", outputs}};
}

// As docs/model-file.md has it: files that exist must stay readable.
TEST(NetworkJson, IsWrittenAsDocumented) {
  const float fan_27 = 1 / std::sqrt(27.0F), fan_4 = 0.5F;
  json head_weight = tensor("fc.weight", true, {1, 1, 4, 10}, "linear", "uniform", fan_4);
  json head_bias = tensor("fc.bias", true, {10}, "same", "uniform", fan_4);
  json norm_bias = tensor("bn.bias", true, {4}, "same", "constant", 0);
  head_weight["role"] = "head_weight";
  head_bias["role"] = "head_bias";
  norm_bias["role"] = "norm_bias";
  const json none = json::object(), absent;
  const json pool = {{"kernel", {2, 2}}, {"stride", {2, 2}}, {"training", true}};
  const json norm = {{"eps", 1e-5F}, {"momentum", 0.1F}, {"training", true}};
  const json drop = {{"probability", 0.25F}, {"stream", static_cast<int64_t>(hash_name("drop.dropout"))}};
  const json expected = {{"format", 1},
                         {"image_size", 8},
                         {"tensors",
                          {tensor("conv.weight", true, {3, 3, 3, 4}, "conv", "uniform", fan_27),
                           tensor("bn.weight", true, {4}, "same", "constant", 1), norm_bias,
                           tensor("bn.running_mean", false, {4}, "same", "constant", 0),
                           tensor("bn.running_var", false, {4}, "same", "constant", 1), head_weight, head_bias}},
                         {"constants", json::array({{{"shape", {4}}, {"value", 0.5}}})},
                         {"nodes",
                          {node("conv2d", {{"kernel", {3, 3}}, {"padding", {1, 1}}}, {0, 1, absent, absent}, 1),  // 9
                           node("batch_norm", norm, {9, 2, 3, 4, 5, absent, absent}, 3),  // 10 to 12
                           node("activation", {{"function", "relu"}}, {10}, 1),           // 13
                           node("max_pool", pool, {13}, 2),                               // 14, 15
                           node("channel_scale", none, {14, 8, absent}, 1),               // 16
                           node("avg_pool", {{"output", {1, 1}}}, {16}, 1),               // 17
                           node("reshape", {{"shape", {1, 4}}}, {17}, 1),                 // 18
                           node("dropout", drop, {18}, 1),                                // 19
                           node("linear", none, {19, 6, 7, absent}, 1)}},
                         {"logits", 20}};
  EXPECT_EQ(small_json(), expected) << small_json().dump(1);
}

// Ops that no network of the registry has.
Value mapped_network(Builder b, Value x, const ModelOptions& options) {
  const Value maps = conv2d(b / "conv", x, {.out_channels = 4, .kernel = 1});
  const Value bias = b.parameter("bias", {1, 1, 4}, Initializer::constant(0.5F));
  const Value squashed = unary(maps, UnaryFunction::tanh);
  x = add(squashed, expand(unary(bias, UnaryFunction::exp), maps));
  return linear(b / "fc", global_avg_pool(x), {.out_features = options.num_classes, .head = true});
}

TEST(NetworkJson, HoldsOpsThatNoNetworkOfTheRegistryHas) {
  const Model model{.name = "mapped", .description = "", .image_size = 8, .num_classes = 10, .build = mapped_network};
  const std::string text = network_to_json(build(model, Mode::training, 1, 10));
  EXPECT_THAT(text, HasSubstr(R"({"attributes":{"function":"exp"},"inputs":[3],"op":"unary","outputs":1})"));
  const Model read = network_from_json(text, "read");
  for (const Mode mode : {Mode::training, Mode::inference}) {
    EXPECT_EQ(text_of(build(read, mode, 3, 10)), text_of(build(model, mode, 3, 10)));
  }
  EXPECT_THAT(message([&] {
                json damaged = json::parse(text);
                for (json& one : damaged["nodes"]) {
                  if (one["op"] == "unary") one["attributes"]["function"] = "relu";
                }
                network_from_json(damaged.dump(), "read");
              }),
              HasSubstr("nodes[1]: unary: "));
}

TEST(NetworkJson, DropsNothingInInference) {
  const Model read = network_from_json(small_json().dump(), "read");
  EXPECT_THAT(text_of(build(read, Mode::training, 2, 10)), HasSubstr("dropout("));
  EXPECT_EQ(text_of(build(read, Mode::inference, 2, 10)), text_of(small_graph(Mode::inference, {2, 8, 8, 3})));
}

TEST(NetworkJson, PutsTensorsWhereTheBuilderIs) {
  const Model read = network_from_json(small_json().dump(), "read");
  Graph graph(Mode::inference);
  const Value images(&graph, graph.add_input("images", {{2, 8, 8, 3}}));
  read.build(Builder(graph) / "ema", images, {.num_classes = 10});
  EXPECT_NE(graph.find_named("ema.conv.weight"), kNoValue);
  EXPECT_EQ(graph.find_named("conv.weight"), kNoValue);
}

TEST(NetworkJson, SaysOfWhichImagesItIs) {
  Model read = network_from_json(small_json().dump(), "birds");
  read.image_size = 16;
  EXPECT_EQ(message([&] { build(read, Mode::inference, 1, 10); }),
            "img-size: the file holds birds for images of 8 pixels, got 16x16");
}

TEST(NetworkJson, KeepsItsClassesWithoutAHead) {
  json root = small_json();
  for (json& one : root["tensors"]) {
    if (one["name"].get<std::string>().starts_with("fc.")) one.erase("role");
  }
  const Model read = network_from_json(root.dump(), "birds");
  EXPECT_EQ(read.num_classes, 10);
  EXPECT_EQ(build(read, Mode::training, 2, 10).value(build(read, Mode::training, 2, 10).output("logits")).type.shape,
            (Shape{2, 10}));
  EXPECT_EQ(message([&] { build(read, Mode::inference, 1, 7); }),
            "num-classes: birds has 10 classes, and does not say which of its layers is the head");
}

TEST(NetworkJson, IsOfOneSquareImageAndNothingElse) {
  for (const Shape& images : {Shape{2, 8, 8, 3}, Shape{1, 8, 10, 3}}) {
    EXPECT_THAT(message([&] { network_to_json(small_graph(Mode::training, images)); }),
                HasSubstr("expected one square image {1, S, S, 3}, got " + images.to_string()));
  }
  Graph graph = small_graph();
  graph.add_input("targets", {{1, 10}});
  EXPECT_THAT(message([&] { network_to_json(graph); }), HasSubstr("expected no input but its images"));
}

}  // namespace
}  // namespace convoy
