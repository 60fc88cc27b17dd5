#include "plan/recompute.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "convoy/ops.h"
#include "core/random.h"
#include "graph/autodiff.h"
#include "ops/optimizer/optimizer.h"
#include "ops/sum/sum.h"
#include "plan/passes.h"

namespace convoy {
namespace {

// A chain of blocks with a residual, and what tells apart what can be repeated from what cannot: running statistics,
// random masks, values that are read in the forward pass only.
Value network(Builder b, Value x, int blocks) {
  for (int i = 0; i < blocks; ++i) {
    const Builder block = b / std::to_string(i);
    const Conv2d conv{.out_channels = 16, .kernel = 3, .padding = 1, .bias = false};
    Value y = relu(batch_norm(block / "bn1", conv2d(block / "conv1", x, conv)));
    y = batch_norm(block / "bn2", conv2d(block / "conv2", y, conv));
    y = dropout(block / "drop", activation(y, Activation::gelu), 0.2F);
    x = i == 0 ? y : relu(add(y, drop_path(block / "path", x, 0.2F)));
  }
  return x;
}

// The network's gradients are added to states; its loss is the sum of what it makes.
Graph step_of(int blocks) {
  Graph graph(Mode::training);
  const Value images{&graph, graph.add_input("images", {Shape{4, 12, 12, 3}})};
  const Value y =
      linear(Builder(graph) / "head", global_avg_pool(network(Builder(graph), images, blocks)), {.out_features = 3});
  graph.set_output("y", y.id());
  run_passes(graph, forward_passes());
  std::set<ValueId> trained;
  for (const ValueId id : graph.parameters()) trained.insert(id);
  const std::pair<ValueId, ValueId> seed{y.id(), graph.add_constant(y.shape(), 1)};
  for (const auto& [weight, gradient] : differentiate(graph, {&seed, 1}, trained, std::make_shared<SumOp>(true))) {
    const ValueInfo info = graph.value(weight);
    const ValueId total = graph.add_state("total/" + info.name, info.type.shape, Initializer::constant(0));
    graph.add_node(std::make_shared<AccumulateOp>(), {total, gradient});
  }
  run_passes(graph, step_passes());
  return graph;
}

// Every variable after two runs, and the output of the last.
std::vector<float> results_of(Graph graph, bool guarded) {
  Variables variables;
  variables.add(graph, 3);
  Program program(std::move(graph), {.guarded = guarded});
  Buffer arena(program.arena_bytes());
  program.bind(variables, arena);
  for (int64_t step = 0; step < 2; ++step) {
    std::vector<float> images(4 * 12 * 12 * 3);
    RandomStream random(1, "images", static_cast<uint64_t>(step));
    std::ranges::generate(images, [&] { return random.uniform(-1, 1); });
    program.write("images", images);
    program.run({.seed = 7, .step = step});
  }
  std::vector<float> results = program.read("y");
  for (const auto& [name, variable] : variables.all()) {
    const std::vector<float> values = variables.read(name);
    results.insert(results.end(), values.begin(), values.end());
  }
  return results;
}

TEST(Recompute, ResultsAreTheSameWithinEveryArena) {
  const Graph step = step_of(4);
  const size_t whole = Program(step).arena_bytes(), smallest = smallest_arena(step, {});
  EXPECT_LT(smallest, whole * 2 / 3);
  const std::vector<float> expected = results_of(step, false);
  for (size_t arena = smallest; arena < whole; arena += (whole - smallest) / 6) {
    const std::optional<Recomputation> smaller = recompute(step, {}, arena);
    ASSERT_TRUE(smaller) << arena;
    verify_graph(smaller->graph);
    EXPECT_LE(Program(smaller->graph).arena_bytes(), arena);
    EXPECT_EQ(smaller->graph.nodes().size(), step.nodes().size() + static_cast<size_t>(smaller->nodes));
    EXPECT_EQ(results_of(smaller->graph, true), expected) << arena;
  }
}

TEST(Recompute, TheLessIsAllowedTheMoreIsDoneAgain) {
  const Graph step = step_of(4);
  const size_t whole = Program(step).arena_bytes();
  double last = 0;
  for (const double share : {1.0, 0.9, 0.8, 0.7, 0.65}) {
    const auto smaller = recompute(step, {}, static_cast<size_t>(share * static_cast<double>(whole)));
    ASSERT_TRUE(smaller) << share;
    EXPECT_EQ(smaller->nodes == 0, share == 1.0);
    EXPECT_GE(smaller->work, last) << share;
    last = smaller->work;
  }
  EXPECT_LT(last, 0.34) << "a whole forward pass is a third of a step";
}

TEST(Recompute, WithinALittleWorkLessMemoryGivesTheSame) {
  const Graph step = step_of(4);
  const std::vector<float> expected = results_of(step, false);
  size_t last = Program(step).arena_bytes();
  EXPECT_EQ(recompute_within(step, {}, 0).nodes, 0);
  for (const double work : {0.01, 0.03, 0.05}) {
    const Recomputation smaller = recompute_within(step, {}, work);
    verify_graph(smaller.graph);
    EXPECT_GT(smaller.nodes, 0) << work;
    EXPECT_LE(smaller.work, work);
    const size_t bytes = Program(smaller.graph).arena_bytes();
    EXPECT_LT(bytes, last) << work;
    last = bytes;
    EXPECT_EQ(results_of(smaller.graph, true), expected) << work;
  }
}

TEST(Recompute, SweepsAreDoneAgainBeforeConvolutions) {
  const auto smaller = recompute(step_of(4), {}, Program(step_of(4)).arena_bytes() * 9 / 10);
  ASSERT_TRUE(smaller);
  const auto count = [](const Graph& graph, std::string_view name) {
    return std::ranges::count_if(graph.nodes(), [&](const Node& node) { return node.op->name() == name; });
  };
  EXPECT_EQ(count(smaller->graph, "conv2d"), count(step_of(4), "conv2d"));
  EXPECT_GT(smaller->nodes, 0);
}

TEST(Recompute, AnArenaThatCannotBeHadIsRefused) {
  const Graph step = step_of(2);
  const size_t smallest = smallest_arena(step, {});
  EXPECT_TRUE(recompute(step, {}, smallest));
  EXPECT_FALSE(recompute(step, {}, smallest / 2));
  EXPECT_FALSE(recompute(step, {}, 0));
}

}  // namespace
}  // namespace convoy
