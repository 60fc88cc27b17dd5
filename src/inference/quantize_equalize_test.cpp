#include "inference/quantize_equalize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "convoy/ops.h"
#include "core/random.h"
#include "inference/graph_walk.h"

namespace convoy {
namespace {

using testing::ElementsAre;

// A graph that ends with what `build` makes of images {2, 8, 8, 3}, with random variables.
struct Network {
  template <class Build>
  explicit Network(const Build& build) {
    const Value images(&graph, graph.add_input("images", {{2, 8, 8, 3}}));
    graph.set_output("logits", build(Builder(graph), images).id());
    variables.add(graph, 7);
    layers = quantizable_layers(graph);
    pixels.resize(2 * 8 * 8 * 3);
    RandomStream random(3, "equalize");
    for (float& x : pixels) x = random.normal();
  }

  std::vector<float> logits() {
    GraphWalk walk(graph, variables);
    walk.start(pixels);
    while (!walk.done()) walk.step();
    const std::span<float> values = walk.value(graph.output("logits"));
    return {values.begin(), values.end()};
  }

  // The greatest magnitude of each channel of a layer's input.
  std::vector<float> ranges(size_t layer) {
    GraphWalk walk(graph, variables);
    walk.start(pixels);
    while (!walk.has(layers[layer].input)) walk.step();
    const std::span<float> map = walk.value(layers[layer].input);
    std::vector<float> found(static_cast<size_t>(layers[layer].in_channels()), 0);
    for (size_t i = 0; i < map.size(); ++i) {
      found[i % found.size()] = std::max(found[i % found.size()], std::abs(map[i]));
    }
    return found;
  }

  void equalize_all() {
    const std::vector<EqualizablePair> pairs = equalizable_pairs(graph, layers);
    std::map<ValueId, std::vector<float>> found;
    for (const EqualizablePair& pair : pairs) found[layers[pair.second].input] = ranges(pair.second);
    equalize(pairs, layers, found, variables);
  }

  // Makes output channel c of one layer 2^exponent smaller or larger, and what the next one makes of it the contrary.
  void scale_between(size_t first, size_t second, const std::function<int(size_t)>& exponent) {
    const auto change = [&](const std::string& name, const auto& of) {
      std::vector<float> values = variables.read(name);
      for (size_t i = 0; i < values.size(); ++i) values[i] = std::ldexp(values[i], of(i));
      variables.write(name, values);
    };
    const auto channels = static_cast<size_t>(layers[first].out_channels());
    const auto out = static_cast<size_t>(layers[second].out_channels());
    change(layers[first].weight, [&](size_t i) { return exponent(i % channels); });
    change(layers[first].bias, [&](size_t i) { return exponent(i); });
    const bool depthwise = layers[second].is_depthwise();
    change(layers[second].weight, [&](size_t i) { return -exponent(depthwise ? i % out : i / out % channels); });
  }

  Graph graph{Mode::inference};
  Variables variables;
  std::vector<QuantizableLayer> layers;
  std::vector<float> pixels;
};

Value conv(Builder b, Value x, int64_t channels, int64_t kernel = 3, int64_t groups = 1) {
  return conv2d(b, x, {.out_channels = channels, .kernel = kernel, .padding = kernel / 2, .groups = groups});
}

void expect_same(const std::vector<float>& expected, const std::vector<float>& got) {
  ASSERT_EQ(expected.size(), got.size());
  float largest = 0;
  for (const float x : expected) largest = std::max(largest, std::abs(x));
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(expected[i], got[i], 1e-5 * largest);
}

TEST(QuantizeEqualize, FindsPairsWithOneReaderAndHomogeneousFunctionsBetween) {
  const Network network([](Builder b, Value x) {
    x = conv(b / "a", x, 8);
    x = conv(b / "b", relu(x), 8, 3, 8);                                                           // a, b
    x = conv(b / "c", activation(x, Activation::leaky_relu), 6, 1);                                // b, c
    x = conv(b / "d", activation(max_pool(x, {.kernel = 2, .stride = 2}), Activation::relu6), 6);  // none
    Value y = conv(b / "e", x, 6);                                                                 // d is read twice
    x = conv(b / "f", add(x, y), 6);                                                               // a sum
    return linear(b / "g", global_avg_pool(relu(x)), {.out_features = 4});                         // f, g
  });
  EXPECT_THAT(equalizable_pairs(network.graph, network.layers),
              ElementsAre(EqualizablePair{0, 1}, EqualizablePair{1, 2}, EqualizablePair{5, 6}));
}

TEST(QuantizeEqualize, TheNetworkComputesTheSame) {
  Network network([](Builder b, Value x) {
    x = conv(b / "a", x, 12);
    x = conv(b / "b", relu(x), 12, 3, 12);
    x = conv(b / "c", relu(x), 8, 1);
    x = conv(b / "d", relu(x), 6, 3, 2);  // two groups
    return linear(b / "e", global_avg_pool(relu(x)), {.out_features = 4});
  });
  const std::vector<float> before = network.logits();
  const std::vector<float> weight = network.variables.read("d.weight");
  network.equalize_all();
  expect_same(before, network.logits());
  EXPECT_NE(weight, network.variables.read("d.weight"));
}

// Channels of which each has sqrt(map * weight): hand-computed.
TEST(QuantizeEqualize, FactorsAreGeometricMeansOfMapAndWeight) {
  const Network network([](Builder b, Value x) { return conv(b / "a", x, 2, 1); });
  // The greatest of the three channels are 8, 2 and 1/2.
  const std::vector<float> weight = {8, 1, 2, -0.25F, -0.5F, 0};
  const std::vector<double> factors = equalizing_factors(std::vector<float>{4, 16, 1}, weight, network.layers[0]);
  // The map's channels become sqrt(32), sqrt(32) and sqrt(1/2), times what makes the greatest 16.
  const double unit = std::sqrt(32) / 16;
  EXPECT_THAT(factors, ElementsAre(testing::DoubleEq(unit * std::sqrt(4.0 / 8)), testing::DoubleEq(unit * std::sqrt(8)),
                                   testing::DoubleEq(unit * std::sqrt(2))));
  EXPECT_THAT(equalizing_factors(std::vector<float>{0, 0, 0}, weight, network.layers[0]), ElementsAre(1, 1, 1));
  EXPECT_THAT(equalizing_factors(std::vector<float>{1, 2, 3}, std::vector<float>(6, 0), network.layers[0]),
              ElementsAre(1, 1, 1));
}

TEST(QuantizeEqualize, ADepthwiseLayerReadsChannelsOfOneRange) {
  Network network([](Builder b, Value x) {
    x = conv(b / "a", x, 12);
    x = conv(b / "b", relu(x), 12, 3, 12);
    return linear(b / "c", global_avg_pool(x), {.out_features = 4});
  });
  network.scale_between(0, 1, [](size_t c) { return static_cast<int>(c) - 6; });
  const std::vector<float> before = network.logits();
  network.equalize_all();
  expect_same(before, network.logits());
  const std::vector<float> ranges = network.ranges(1);
  for (const float range : ranges) EXPECT_NEAR(range, ranges[0], 1e-4 * ranges[0]);
}

TEST(QuantizeEqualize, ScalesBetweenLayersAreUndone) {
  const auto build = [](Builder b, Value x) {
    x = conv(b / "a", x, 8);
    x = conv(b / "b", relu(x), 8, 1);
    return linear(b / "c", global_avg_pool(x), {.out_features = 4});
  };
  Network plain(build), scaled(build);
  scaled.scale_between(0, 1, [](size_t c) { return c % 2 == 0 ? 5 : -5; });
  plain.equalize_all();
  scaled.equalize_all();
  const std::vector<float> expected = plain.ranges(1), got = scaled.ranges(1);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i] / got[0], expected[i] / expected[0], 1e-4);
}

}  // namespace
}  // namespace convoy
