#include "report/summary.h"

#include <gtest/gtest.h>

#include "convoy/ops.h"
#include "plan/quantized_testing.h"

namespace convoy {
namespace {

TEST(Summarize, CountsParametersAndWorkOfEveryLayer) {
  Graph graph(Mode::inference);
  const Builder b(graph);
  const Value images(&graph, graph.add_input("images", {Shape{2, 8, 8, 3}}));
  const Value features =
      conv2d(b / "stem" / "conv", images, {.out_channels = 16, .kernel = 3, .stride = 2, .padding = 1});
  conv2d(b / "head", features, {.out_channels = 10, .bias = false});

  const NetworkSummary summary = summarize(graph);
  ASSERT_EQ(summary.layers.size(), 2U);
  const LayerSummary& conv = summary.layers[0];
  EXPECT_EQ(conv.name, "stem.conv");
  EXPECT_EQ(conv.op, "conv2d");
  EXPECT_EQ(conv.output, (Shape{2, 4, 4, 16}));
  EXPECT_EQ(conv.parameters, 3 * 3 * 3 * 16 + 16);
  EXPECT_EQ(conv.multiply_adds, 2 * 4 * 4 * 16 * 3 * 3 * 3);
  EXPECT_EQ(summary.layers[1].name, "head");
  EXPECT_EQ(summary.layers[1].parameters, 160);
  EXPECT_EQ(summary.total.parameters, 448 + 160);
  EXPECT_EQ(summary.total.statistics, 0);
  EXPECT_EQ(summary.total.multiply_adds, 2 * 4 * 4 * 16 * 27 + 2 * 4 * 4 * 160);
  EXPECT_EQ(summary.activation_bytes, 4 * 2 * 4 * 4 * (16 + 10));
}

TEST(Summarize, WeightsOfBytesAreSmall) {
  Graph graph(Mode::inference);
  const Value images(&graph, graph.add_input("images", {{1, 6, 6, 3}}));
  quantized_net(Builder(graph), images, {.num_classes = 4});
  const NetworkSummary summary = summarize(graph);
  EXPECT_EQ(summary.layers[1].name, "conv");
  EXPECT_EQ(summary.layers[1].parameters, 3 * 3 * 3 * 12 + 12 + 12);
  EXPECT_EQ(summary.layers[1].parameter_bytes, 3 * 3 * 3 * 12 + 4 * (12 + 12));
  EXPECT_EQ(summary.layers[1].multiply_adds, 36 * 27 * 12);
  EXPECT_EQ(summary.total.parameter_bytes, 324 + 96 + 108 + 96 + 48 + 16);
}

TEST(Summarize, AParameterThatTwoLayersShareCountsOnce) {
  Graph graph(Mode::inference);
  const Builder b(graph);
  const Value weight = b.parameter("weight", {4, 4}, Initializer::constant(1));
  add(weight, weight);
  add(weight, weight);
  const NetworkSummary summary = summarize(graph);
  EXPECT_EQ(summary.layers.size(), 2U);
  EXPECT_EQ(summary.total.parameters, 16);
}

// The last stage of ResNet-18 has one pixel there, which a batch of one image cannot train on but can be counted.
TEST(Summarize, TakesImagesThatShrinkToAPixel) {
  EXPECT_EQ(summarize(find_model("resnet18"), {}, {1, 32, 32, 3}).total.parameters, 11'689'512);
}

// torchvision's documentation gives 11,689,512 parameters and 1.81 billion multiply-adds at 224 pixels.
TEST(Summarize, NetworksAreThoseThatAreTrainedUnlessFused) {
  const Model& model = find_model("resnet18");
  const NetworkSummary trained = summarize(model, {}, {1, 224, 224, 3});
  EXPECT_EQ(trained.total.parameters, 11'689'512);
  EXPECT_NEAR(static_cast<double>(trained.total.multiply_adds), 1.81e9, 5e6);
  EXPECT_GT(trained.total.statistics, 0);
  const NetworkSummary fused = summarize(model, {.fused = true}, {1, 224, 224, 3});
  EXPECT_EQ(fused.total.statistics, 0);
  EXPECT_LT(fused.layers.size(), trained.layers.size());
}

}  // namespace
}  // namespace convoy
