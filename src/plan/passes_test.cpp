#include "plan/passes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "ops/sum/sum.h"
#include "plan/program.h"
#include "plan/quantized_testing.h"

namespace convoy {
namespace {

// relu(batch_norm(conv(x)) + x), the tail of a residual block.
Graph residual_block(Mode mode) {
  Graph graph(mode);
  const Value x(&graph, graph.add_input("x", {Shape{2, 8, 8, 16}}));
  const Builder b(graph);
  const Value y = batch_norm(b / "bn", conv2d(b / "conv", x, {.out_channels = 16, .bias = false}));
  graph.set_output("y", relu(add(y, x)).id());
  return graph;
}

TEST(ForwardPasses, MakeOneBatchNormOfNormSumAndActivation) {
  Graph graph = residual_block(Mode::training);
  run_passes(graph, forward_passes());
  EXPECT_EQ(graph.to_string(),
            "%2, %13 = conv2d(x, conv.weight, -, -) kernel=1x1 statistics : 2x8x8x16, 2x2x16\n"
            "%11, %8, %9 = batch_norm(%2, bn.weight, bn.bias, bn.running_mean, bn.running_var, x, %13) eps=1e-05 "
            "training momentum=0.1 statistics_pixels=96 activation=relu : 2x8x8x16, 16, 16\n"
            "output y = %11\n");
}

TEST(ForwardPasses, CanBeSwitchedOffOneByOne) {
  Graph graph = residual_block(Mode::training);
  const size_t plain_nodes = graph.nodes().size();
  std::set<std::string> all;
  for (const Pass& pass : forward_passes()) all.emplace(pass.name);
  run_passes(graph, forward_passes(), all);
  EXPECT_EQ(graph.nodes().size(), plain_nodes);

  all.erase("fuse-statistics");
  const auto reports = run_passes(graph, forward_passes(), all);
  EXPECT_EQ(graph.nodes().size(), plain_nodes);
  for (const PassReport& report : reports) EXPECT_EQ(report.rewrites, report.name == "fuse-statistics" ? 1 : 0);
}

// relu(conv(x) + x), the tail of a residual block of a fused network.
Graph fused_block(Mode mode) {
  Graph graph(mode);
  const Value x(&graph, graph.add_input("x", {Shape{2, 8, 8, 16}}));
  graph.set_output("y", relu(add(conv2d(Builder(graph) / "conv", x, {.out_channels = 16}), x)).id());
  return graph;
}

TEST(ForwardPasses, MakeOneConvolutionOfConvolutionSumAndActivation) {
  Graph graph = fused_block(Mode::inference);
  run_passes(graph, forward_passes());
  EXPECT_EQ(graph.to_string(),
            "%5 = conv2d(x, conv.weight, conv.bias, x) kernel=1x1 activation=relu : 2x8x8x16\n"
            "output y = %5\n");
}

Graph quantized_graph() {
  Graph graph(Mode::inference);
  const Value images(&graph, graph.add_input("images", {{2, 5, 5, 3}}));
  graph.set_output("logits", quantized_net(Builder(graph), images, {.num_classes = 4}).id());
  return graph;
}

std::string nodes_of(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes()) text.append(node.op->name()).append(" ");
  return text;
}

TEST(ForwardPasses, MakeOneQuantisedLayerOfWhatFollowsIt) {
  Graph graph = quantized_graph();
  run_passes(graph, forward_passes());
  EXPECT_EQ(nodes_of(graph),
            "quantize quantized_conv2d max_pool quantized_conv2d dequantize avg_pool reshape slice slice quantize "
            "quantize concat quantized_linear ");
  const auto attributes = [&](size_t node) { return to_string(graph.nodes()[node].op->attributes()); };
  EXPECT_EQ(attributes(1), "kernel=3x3 padding=1x1 in_scale=0.02 in_zero_point=128 activation=relu out_scale=0.05");
  EXPECT_EQ(attributes(3),
            "kernel=3x3 padding=1x1 groups=12 in_scale=0.05 addend_scale=0.05 activation=relu out_scale=0.06");
  EXPECT_EQ(graph.nodes()[3].inputs[QuantizedConv2dOp::kAddend], graph.nodes()[2].outputs[0]);
  EXPECT_EQ(graph.value(graph.nodes()[3].outputs[0]).type.dtype, DType::u8);
}

TEST(ForwardPasses, ThoseOfQuantisedLayersCanBeSwitchedOff) {
  Graph floats = quantized_graph();
  run_passes(floats, forward_passes(), {"fuse-quantize"});
  EXPECT_EQ(nodes_of(floats),
            "quantize quantized_conv2d quantize max_pool quantized_conv2d quantize dequantize avg_pool reshape slice "
            "slice quantize quantize "
            "concat quantized_linear ");
  Graph addend = quantized_graph();
  run_passes(addend, forward_passes(), {"fuse-dequantize"});
  EXPECT_EQ(
      nodes_of(addend),
      "quantize quantized_conv2d max_pool dequantize quantized_conv2d dequantize avg_pool reshape slice slice quantize "
      "quantize concat quantized_linear ");
}

// The output of a graph with drawn weights, on drawn images.
std::vector<float> infer(Graph graph, const std::set<std::string>& disabled) {
  Variables variables;
  draw_quantized(graph, variables);
  run_passes(graph, forward_passes(), disabled);
  const std::string output = graph.outputs().begin()->first;
  const auto pixels = static_cast<size_t>(graph.value(graph.named("images")).type.shape.elements());
  Program program(std::move(graph));
  Buffer arena(program.arena_bytes());
  program.bind(variables, arena);
  std::vector<float> images(pixels);
  RandomStream random(1, "images");
  for (float& x : images) x = random.uniform(-2, 2);
  program.write("images", images);
  program.run({});
  return program.read(output);
}

std::set<std::string> all_forward_passes() {
  std::set<std::string> all;
  for (const Pass& pass : forward_passes()) all.emplace(pass.name);
  return all;
}

TEST(ForwardPasses, KeepTheBitsOfQuantisedLayers) {
  EXPECT_EQ(infer(quantized_graph(), {}), infer(quantized_graph(), all_forward_passes()));
}

// Darknet's block, whose residual stands behind the activation.
Graph quantized_block() {
  Graph graph(Mode::inference);
  const Builder b(graph);
  Value x(&graph, graph.add_input("images", {{2, 5, 5, 3}}));
  const Quantization images{0.02F, 128}, block{0.06F, 0};
  x = quantize(relu(quantized_conv2d(b / "in", quantize(x, images), images, {.kernel = 3, .padding = 1}, 12)), block);
  const Value y = relu(quantized_conv2d(b / "body", x, block, {.kernel = 3, .padding = 1}, 12));
  x = quantize(add(dequantize(x, block), y), block);
  graph.set_output("y", dequantize(x, block).id());
  return graph;
}

TEST(ForwardPasses, AResidualBehindAnActivationIsAddedByTheQuantisedLayer) {
  Graph graph = quantized_block();
  run_passes(graph, forward_passes());
  EXPECT_EQ(nodes_of(graph), "quantize quantized_conv2d quantized_conv2d dequantize ");
  EXPECT_EQ(to_string(graph.nodes()[2].op->attributes()),
            "kernel=3x3 padding=1x1 in_scale=0.06 addend_scale=0.06 activation=relu addend_last out_scale=0.06");
  EXPECT_EQ(graph.nodes()[2].inputs[QuantizedConv2dOp::kAddend], graph.nodes()[1].outputs[0]);
  EXPECT_EQ(infer(quantized_block(), {}), infer(quantized_block(), all_forward_passes()));
}

// The gradient of an activation takes what a convolution that activates does not keep.
TEST(ForwardPasses, LeaveTheActivationBehindATrainedConvolution) {
  Graph graph = fused_block(Mode::training);
  run_passes(graph, forward_passes());
  ASSERT_EQ(graph.nodes().size(), 2U);
  EXPECT_EQ(graph.nodes()[1].op->name(), "activation");
}

// The residual block and the gradient of x, which takes part twice, after the forward passes.
Graph differentiated_block(const std::set<std::string>& disabled) {
  Graph graph = residual_block(Mode::training);
  run_passes(graph, forward_passes(), disabled);
  const ValueId x = graph.named("x"), y = graph.output("y");
  const std::pair<ValueId, ValueId> seed{y, graph.add_constant(graph.value(y).type.shape, 1)};
  graph.set_output("gradient", differentiate(graph, {&seed, 1}, {x}, std::make_shared<SumOp>(true)).at(x));
  return graph;
}

int64_t sums(const Graph& graph) {
  return std::ranges::count_if(graph.nodes(), [](const Node& node) { return node.op->name() == "sum"; });
}

TEST(Passes, FuseTheirOwnSums) {
  Graph graph = differentiated_block({"fuse-addend"});
  EXPECT_EQ(sums(graph), 2);
  EXPECT_EQ(run_passes(graph, step_passes()).front().rewrites, 1);
  EXPECT_EQ(sums(graph), 1);

  graph = differentiated_block({});
  EXPECT_EQ(sums(graph), 1);
  run_passes(graph, step_passes(), {"fuse-gradient-sum"});
  EXPECT_EQ(sums(graph), 1);
  run_passes(graph, step_passes());
  EXPECT_EQ(sums(graph), 0);
}

TEST(ForwardPasses, KeepWhatTheCallerReads) {
  Graph graph = residual_block(Mode::inference);
  const ValueId sum = graph.nodes().back().inputs[0];
  graph.set_output("sum", sum);
  run_passes(graph, forward_passes());
  EXPECT_EQ(graph.output("sum"), sum);
  EXPECT_EQ(graph.nodes().back().op->name(), "activation");
}

TEST(ForwardPasses, AnUnknownNameIsAnErrorThatNamesTheNearest) {
  Graph graph = residual_block(Mode::training);
  try {
    run_passes(graph, forward_passes(), {"fuse-adend"});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("fuse-addend"), std::string::npos) << error.what();
  }
}

TEST(VerifyGraph, RefusesAValueThatIsReadBeforeItIsMade) {
  Graph graph = residual_block(Mode::training);
  std::swap(graph.nodes()[0], graph.nodes()[1]);
  EXPECT_THROW(verify_graph(graph), Error);
}

}  // namespace
}  // namespace convoy
