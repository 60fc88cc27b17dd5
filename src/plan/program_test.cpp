#include "plan/program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "convoy/error.h"
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
  for (const char* name : {"conv.weight", "depthwise.weight", "head.weight"}) variables.at(name).floats()[0] += 1;
  EXPECT_NE(outputs_of(plain), before);
  prepared.prepare();
  EXPECT_EQ(outputs_of(prepared), outputs_of(plain));

  // From elsewhere: what kernels made all that they need of is not in memory, all else is.
  Variables empty;
  empty.add(graph, std::nullopt);
  Program from_source(graph, {.prepared = true});
  from_source.bind(empty, arena);
  from_source.prepare([&](const std::string& name, std::span<float> into) { variables.read(name, into); });
  EXPECT_EQ(outputs_of(from_source), outputs_of(plain));
  EXPECT_EQ(empty.read("conv.weight"), std::vector<float>(3 * 3 * 8 * 40, 0));
  EXPECT_EQ(empty.read("conv.bias"), variables.read("conv.bias"));
  EXPECT_THROW(from_source.prepare([](const std::string& name, std::span<float>) { throw FileError(name); }),
               FileError);
}

// What depends on variables alone is computed when the weights are prepared, and not again.
TEST(Program, RunsThePrologueOncePerSetOfWeights) {
  Graph graph(Mode::inference);
  const Builder b(graph);
  const Value x(&graph, graph.add_input("x", {{1, 2}}));
  const Value twice = scale(b.parameter("v", {2}, Initializer::constant(0)), 2);
  const Value gate = mul(twice, twice);
  graph.set_output("gate", gate.id());
  graph.set_output("y", channel_scale(x, gate).id());
  for (const Backend* backend : {&cpu_backend(), &reference_backend()}) {
    Variables variables(*backend);
    variables.add(graph, 1);
    variables.write("v", std::vector<float>{1, 3});
    Program program(graph, {.guarded = true, .prepared = true, .backend = *backend});
    Buffer arena = backend->allocate(program.arena_bytes());
    program.bind(variables, arena);
    const auto run = [&] {
      program.write("x", std::vector<float>{1, 10});
      program.run({});
      return program.read("y");
    };
    program.prepare();
    EXPECT_EQ(run(), (std::vector<float>{4, 360}));
    EXPECT_EQ(program.read("gate"), (std::vector<float>{4, 36}));
    variables.write("v", std::vector<float>{0.5F, 1});
    EXPECT_EQ(run(), (std::vector<float>{4, 360}));
    program.prepare();
    EXPECT_EQ(run(), (std::vector<float>{1, 40}));
  }
}

// Programs of the same nodes over the same variables have one copy of what kernels made of the weights.
TEST(Program, ShareWhatIsMadeOfWeights) {
  Graph graph(Mode::inference);
  const Value x(&graph, graph.add_input("x", {{2, 6, 6, 8}}));
  graph.set_output("y", conv2d(Builder(graph) / "conv", x, {.out_channels = 40, .kernel = 3}).id());
  Variables variables;
  variables.add(graph, 1);
  PreparedWeights shared;
  int made = 0;
  Program first(graph, {.prepared = true, .shared = &shared}), second(graph, {.prepared = true, .shared = &shared});
  Buffer arena(first.arena_bytes());
  std::vector<float> outputs[2];
  for (Program* program : {&first, &second}) {
    program->bind(variables, arena);
    program->prepare();
    // What the second takes was made before the weight changed.
    variables.at("conv.weight").floats()[0] += 1;
    std::fill_n(program->data("x"), 2 * 6 * 6 * 8, 1.0F);
    program->run({});
    outputs[made++] = program->read("y");
  }
  EXPECT_EQ(outputs[0], outputs[1]);
}

}  // namespace
}  // namespace convoy
