#include "plan/passes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "ops/sum/sum.h"

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
