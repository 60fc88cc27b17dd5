#include "inference/layer_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "convoy/model.h"
#include "plan/network_graph.h"
#include "plan/reparameterise.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

LayerPoint point(const std::string& layer, int64_t channels, int64_t elements = 64) {
  return {.layer = layer, .weight = {{1, 1, channels, channels}}, .elements = elements};
}

using Pair = std::tuple<size_t, size_t, bool>;
std::vector<Pair> matched(const std::vector<LayerPoint>& a, const std::vector<LayerPoint>& b) {
  std::vector<Pair> pairs;
  for (const LayerPair& pair : match_layers(a, b)) pairs.emplace_back(pair.a, pair.b, pair.by_order);
  return pairs;
}

std::vector<std::string> names_of(const std::vector<LayerPoint>& points) {
  std::vector<std::string> names;
  for (const LayerPoint& point : points) names.push_back(point.layer);
  return names;
}

TEST(LayerPoints, NamesMatchInAnyOrderAndWhatIsLeftByShapes) {
  EXPECT_THAT(matched({point("a", 1), point("b", 1)}, {point("b", 1), point("a", 1)}),
              ElementsAre(Pair{0, 1, false}, Pair{1, 0, false}));
  // A name says nothing where the shapes differ.
  EXPECT_THAT(matched({point("a", 1)}, {point("a", 2), point("b", 1)}), ElementsAre(Pair{0, 1, true}));
  EXPECT_THAT(matched({point("a", 1)}, {point("a", 1, 32)}), IsEmpty());
  // A name that comes twice, as that of a shared weight does.
  EXPECT_THAT(matched({point("a", 1), point("a", 1)}, {point("a", 1), point("a", 1)}),
              ElementsAre(Pair{0, 0, false}, Pair{1, 1, false}));
  // b's layer 1 is one too many, a's layer 3 has none that it could be.
  EXPECT_THAT(matched({point("a", 1), point("b", 2), point("c", 3), point("d", 4), point("fc", 5)},
                      {point("1", 1), point("2", 7), point("3", 2), point("4", 3), point("fc", 5)}),
              ElementsAre(Pair{0, 0, true}, Pair{1, 2, true}, Pair{2, 3, true}, Pair{4, 4, false}));
  EXPECT_THAT(matched({}, {point("a", 1)}), IsEmpty());
}

// As a torch program may call its branches in either order.
std::vector<std::string> layers_of_block(bool shortcut_first) {
  Graph graph(Mode::inference);
  const Value images(&graph, graph.add_input("images", {{2, 8, 8, 3}}));
  const Builder b(graph);
  const Value x = relu(conv2d(b / "stem", images, {.out_channels = 4, .kernel = 3}));
  const auto shortcut = [&] { return conv2d(b / "shortcut", x, {.out_channels = 8, .kernel = 1}); };
  const auto branch = [&] {
    return conv2d(b / "two", relu(conv2d(b / "one", x, {.out_channels = 4, .kernel = 1})),
                  {.out_channels = 8, .kernel = 1});
  };
  Value sum;
  if (shortcut_first) {
    const Value first = shortcut();
    sum = add(first, branch());
  } else {
    const Value first = branch();
    sum = add(first, shortcut());
  }
  graph.set_output("logits", linear(b / "fc", global_avg_pool(relu(sum)), {.out_features = 3}).id());
  const std::vector<LayerPoint> points = layer_points(graph);
  EXPECT_EQ(points[0].elements, 2 * 6 * 6 * 4);
  EXPECT_EQ(points[0].weight.shape, Shape({3, 3, 3, 4}));
  return names_of(points);
}

TEST(LayerPoints, BranchesHaveTheOrderOfTheirDepth) {
  EXPECT_THAT(layers_of_block(false), ElementsAre("stem", "one", "shortcut", "two", "fc"));
  EXPECT_THAT(layers_of_block(true), ElementsAre("stem", "shortcut", "one", "two", "fc"));
}

// Every point of a network's own form stands for one of its fused form, of the same name and shape.
TEST(LayerPoints, OfANetworkAndItsFusedFormAreTheSame) {
  for (const auto& [name, acnet] : {std::pair{"resnet9", false}, {"resnet18", true}, {"mobilenet_v2", false}}) {
    ModelOptions options{.num_classes = 4};
    options.acnet = acnet;
    const Graph graph = inference_graph(find_model(name), options, {1, 32, 32, 3});
    const Reparameterised fused = reparameterise(graph);
    const std::vector<LayerPoint> plain = layer_points(graph), folded = layer_points(fused.graph);
    EXPECT_EQ(names_of(plain), names_of(folded));
    const std::vector<LayerPair> pairs = match_layers(plain, folded);
    ASSERT_EQ(pairs.size(), plain.size());
    for (const LayerPair& pair : pairs) {
      EXPECT_FALSE(pair.by_order);
      EXPECT_EQ(fused.originals.at(folded[pair.b].value), plain[pair.a].value) << plain[pair.a].layer;
    }
  }
}

}  // namespace
}  // namespace convoy
