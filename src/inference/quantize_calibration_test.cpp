#include "inference/quantize_calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "convoy/ops.h"
#include "core/random.h"

namespace convoy {
namespace {

// The mean over all pixels of each channel.
std::vector<double> channel_means(std::span<const float> map, size_t channels) {
  std::vector<double> means(channels, 0);
  for (size_t i = 0; i < map.size(); ++i) means[i % channels] += static_cast<double>(map[i]);
  for (double& mean : means) mean /= static_cast<double>(map.size()) / static_cast<double>(channels);
  return means;
}

// Ranges so narrow that most values are clipped, which shifts what every layer gives.
TEST(QuantizeCalibration, BiasCorrectionTakesTheMeanErrorOfEveryLayerAway) {
  Graph graph(Mode::inference);
  Value x(&graph, graph.add_input("images", {{4, 8, 8, 3}}));
  const Builder b(graph);
  x = relu(conv2d(b / "a", x, {.out_channels = 10, .kernel = 3, .padding = 1}));
  x = relu(conv2d(b / "b", x, {.out_channels = 10, .kernel = 3, .padding = 1, .groups = 10}));
  x = add(x, conv2d(b / "c", x, {.out_channels = 10, .bias = false}));
  graph.set_output("logits", linear(b / "d", global_avg_pool(x), {.out_features = 5}).id());
  Variables variables;
  variables.add(graph, 3);
  std::vector<float> pixels(4 * 8 * 8 * 3);
  RandomStream random(5, "calibration");
  for (float& pixel : pixels) pixel = random.normal();

  const std::vector<QuantizableLayer> layers = quantizable_layers(graph);
  ASSERT_EQ(layers.size(), 4U);
  std::map<ValueId, Quantization> levels;
  for (const QuantizableLayer& layer : layers) levels[layer.input] = levels_of({-0.3F, 0.3F});
  const QuantizedGraph quantized = quantized_graph(graph, layers, {true, true, true, true}, levels);
  Variables plain, corrected;
  quantize_variables(quantized, layers, variables, plain);
  quantize_variables(quantized, layers, variables, corrected);
  const std::vector<double> before = compare_layers(graph, variables, quantized, plain, layers, pixels, false);
  const std::vector<double> after = compare_layers(graph, variables, quantized, corrected, layers, pixels, true);
  const std::vector<double> again = compare_layers(graph, variables, quantized, corrected, layers, pixels, false);
  EXPECT_THAT(again, testing::Pointwise(testing::DoubleNear(0.01), after));

  GraphWalk exact(graph, variables), int8(quantized.graph, corrected);
  exact.start(pixels);
  int8.start(pixels);
  for (size_t i = 0; i < layers.size(); ++i) {
    EXPECT_GT(after[i], before[i]) << i;
    while (!exact.has(layers[i].output)) exact.step();
    while (!int8.has(quantized.outputs[i])) int8.step();
    const auto channels = static_cast<size_t>(layers[i].out_channels());
    const std::vector<double> expected = channel_means(exact.value(layers[i].output), channels);
    const std::vector<double> got = channel_means(int8.value(quantized.outputs[i]), channels);
    for (size_t c = 0; c < channels; ++c) EXPECT_NEAR(got[c], expected[c], 1e-5) << i;
  }
}

TEST(QuantizeCalibration, DecibelsAreOfPowers) {
  EXPECT_DOUBLE_EQ(decibels(1000, 1), 30);
  EXPECT_EQ(decibels(1, 0), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace convoy
