#include "plan/program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "convoy/ops.h"
#include "core/parallel.h"

namespace convoy {
namespace {

// Each thread has scratch memory of its own, for the team at hand when the program was planned.
TEST(Program, RunsWithTheTeamThatItWasPlannedFor) {
  set_thread_count(2);
  Graph graph(Mode::inference);
  const Value x(&graph, graph.add_input("x", {{1, 6, 6, 8}}));
  graph.set_output("y", conv2d(Builder(graph) / "conv", x, {.out_channels = 8, .kernel = 3}).id());
  Program program(graph);
  Variables variables;
  variables.add(graph, 1);
  Buffer arena(program.arena_bytes());
  program.bind(variables, arena);
  const Shape shape{1, 6, 6, 8};
  std::fill_n(program.data("x"), shape.elements(), 0.5F);
  program.run({});
  const std::vector<float> expected(program.data("y"), program.data("y") + shape.elements());
  // Beyond the scratch memory of two.
  set_thread_count(16);
  program.run({});
  program.run_profiled({});
  EXPECT_EQ(std::vector<float>(program.data("y"), program.data("y") + shape.elements()), expected);
  set_thread_count(1);
}

// A dense, a depthwise and a linear layer.
TEST(Program, PreparesWeightsUntilTheyChange) {
  Graph graph(Mode::inference);
  Builder builder(graph);
  const Value x(&graph, graph.add_input("x", {{2, 6, 6, 8}}));
  Value y = conv2d(builder / "conv", x, {.out_channels = 40, .kernel = 3, .padding = 1});
  y = conv2d(builder / "depthwise", y, {.out_channels = 40, .kernel = 3, .groups = 40});
  graph.set_output("y", linear(builder / "head", global_avg_pool(y), {.out_features = 5}).id());
  Variables variables;
  variables.add(graph, 1);
  Program plain(graph), prepared(graph, {.prepared = true});
  Buffer arena(plain.arena_bytes());
  plain.bind(variables, arena);
  prepared.bind(variables, arena);
  const auto outputs_of = [&](Program& program) {
    for (int i = 0; i < 2 * 6 * 6 * 8; ++i) program.data("x")[i] = static_cast<float>(i % 7) - 3;
    program.run({});
    return std::vector<float>(program.data("y"), program.data("y") + 10);
  };
  prepared.prepare();
  const std::vector<float> before = outputs_of(plain);
  EXPECT_EQ(outputs_of(prepared), before);
  for (const char* name : {"conv.weight", "depthwise.weight", "head.weight"}) variables.at(name).data[0] += 1;
  EXPECT_NE(outputs_of(plain), before);
  prepared.prepare();
  EXPECT_EQ(outputs_of(prepared), outputs_of(plain));
}

}  // namespace
}  // namespace convoy
