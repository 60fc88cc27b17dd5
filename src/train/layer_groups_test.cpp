#include "train/layer_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "convoy/model.h"
#include "inference/testing.h"
#include "plan/network_graph.h"
#include "train/updates.h"

namespace convoy {
namespace {

using nlohmann::json;
using testing::Pair;
using testing::UnorderedElementsAre;

// tests/data/layer_decay.json: timm's groups, by tools/make_layer_decay_reference.py.
TEST(LayerGroups, AreTimms) {
  const json expected = json::parse(std::ifstream(CONVOY_SOURCE_DIR "/tests/data/layer_decay.json"));
  EXPECT_EQ(expected.size(), 5U);
  for (const auto& [name, layers] : expected.items()) {
    const Graph graph = inference_graph(find_model(name), {.num_classes = 10}, {1, 64, 64, 3});
    const std::map<std::string, double> scales = learning_rate_scales(graph, {.layer_decay = 0.5});
    std::vector<double> ours, theirs;
    for (const ValueId id : graph.parameters()) ours.push_back(scales.at(graph.value(id).name));
    for (const auto& [count, exponent] : layers.get<std::vector<std::pair<int, int>>>()) {
      theirs.insert(theirs.end(), static_cast<size_t>(count), std::pow(0.5, exponent));
    }
    EXPECT_EQ(ours, theirs) << name;
  }
}

TEST(LayerGroups, TheHeadHasAFactorOfItsOwn) {
  add_tiny_net();
  const Graph graph = inference_graph(find_model("tiny"), {.num_classes = kClasses}, {1, kSide, kSide, 3});
  EXPECT_TRUE(learning_rate_scales(graph, {}).empty());
  EXPECT_THAT(learning_rate_scales(graph, {.layer_decay = 0.5, .head_lr_scale = 10}),
              UnorderedElementsAre(Pair("conv.weight", 0.5), Pair("bn.weight", 0.5), Pair("bn.bias", 0.5),
                                   Pair("fc.weight", 10.0), Pair("fc.bias", 10.0)));
}

// Every network's layers begin at 0, have no gaps and end with the classifier.
TEST(LayerGroups, DivideEveryNetwork) {
  for (const Model& model : models()) {
    if (model.description.empty() || model.description == "a test") continue;
    const Graph graph = inference_graph(model, {.num_classes = 10}, {1, model.image_size, model.image_size, 3});
    const std::map<std::string, int64_t> layers = layers_of(graph);
    std::set<int64_t> numbers;
    for (const auto& [name, layer] : layers) numbers.insert(layer);
    EXPECT_EQ(*numbers.begin(), 0) << model.name;
    EXPECT_EQ(*numbers.rbegin() + 1, static_cast<int64_t>(numbers.size())) << model.name;
    EXPECT_GE(numbers.size(), 5U) << model.name;
    EXPECT_EQ(layers.at(head_place(graph) + ".weight"), *numbers.rbegin()) << model.name;
  }
}

}  // namespace
}  // namespace convoy
