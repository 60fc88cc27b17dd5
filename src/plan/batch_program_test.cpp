#include "plan/batch_program.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "convoy/ops.h"
#include "core/parallel.h"
#include "core/random.h"
#include "plan/passes.h"
#include "plan/variables.h"

namespace convoy {
namespace {

constexpr int64_t kSide = 24;

// Large maps first, large weights later; a gate of weights alone is read by both halves.
Graph network(int64_t images) {
  Graph graph(Mode::inference);
  const Builder b(graph);
  const Value input(&graph, graph.add_input("images", {{images, kSide, kSide, 3}}));
  const Value vector = b.parameter("gate", {16}, Initializer::constant(1.5F));
  const Value gate = mul(vector, vector);
  Value x = activation(conv2d(b / "stem", input, {.out_channels = 16, .kernel = 3, .padding = 1}), Activation::relu6);
  x = channel_scale(x, gate);
  const Value kept = conv2d(b / "depthwise", x, {.out_channels = 16, .kernel = 3, .padding = 1, .groups = 16});
  x = activation(conv2d(b / "down", add(x, kept), {.out_channels = 16, .kernel = 3, .stride = 4}), Activation::relu);
  x = channel_scale(x, gate);
  x = activation(conv2d(b / "wide", x, {.out_channels = 300, .kernel = 3, .padding = 1}), Activation::hard_swish);
  x = conv2d(b / "narrow", x, {.out_channels = 40, .kernel = 3, .padding = 1});
  graph.set_output("logits", linear(b / "head", global_avg_pool(x), {.out_features = 7}).id());
  graph.set_output("kept", kept.id());
  run_passes(graph, forward_passes());
  return graph;
}

struct Results {
  std::vector<float> logits, kept;

  friend bool operator==(const Results&, const Results&) = default;
};

void fill_images(const Program& program, int64_t images) {
  RandomStream random(0, "images");
  float* pixels = program.data("images");
  for (int64_t i = 0; i < images * kSide * kSide * 3; ++i) pixels[i] = random.uniform(-1, 1);
}

Results results_of(const Program& program) { return {program.read("logits"), program.read("kept")}; }

Results infer(int64_t images, int threads) {
  const ThreadTeamPtr team = ThreadTeam::make(threads);
  const TeamScope scope(*team);
  Variables variables;
  variables.add(network(images), 1);
  BatchProgram program(network, images, {.prepared = true});
  EXPECT_EQ(program.halves().size(), images > 1 ? 2 : 1);
  Buffer arena(program.arena_bytes());
  program.bind(variables, arena);
  program.prepare();
  fill_images(program.whole(), images);
  program.run({});
  return results_of(program.whole());
}

Results infer_whole(int64_t images) {
  Variables variables;
  Program program(network(images), {.prepared = true});
  variables.add(program.graph(), 1);
  Buffer arena(program.arena_bytes());
  program.bind(variables, arena);
  program.prepare();
  fill_images(program, images);
  program.run({});
  return results_of(program);
}

TEST(BatchProgram, HalvesGiveWhatTheWholeGives) {
  for (const int64_t images : {1, 2, 5}) EXPECT_EQ(infer(images, 2), infer_whole(images));
}

// Fewer threads than images, as many, and more: then all threads work on each image.
TEST(BatchProgram, GivesTheSameBitsForAnyNumberOfThreads) {
  const Results one = infer(3, 1);
  for (const int threads : {2, 3, 7}) EXPECT_EQ(infer(3, threads), one);
}

TEST(BatchProgram, TakesWeightsFromASource) {
  Variables filled, empty;
  filled.add(network(4), 1);
  empty.add(network(4), std::nullopt);
  BatchProgram program(network, 4, {.prepared = true});
  ASSERT_EQ(program.halves().size(), 2);
  Buffer arena(program.arena_bytes());
  program.bind(empty, arena);
  program.prepare([&](const std::string& name, std::span<float> into) { filled.read(name, into); });
  fill_images(program.whole(), 4);
  program.run({});
  EXPECT_EQ(results_of(program.whole()), infer_whole(4));
}

// Of 40 channels and up Winograd's way is faster where there are tiles enough, which one small image does not have.
TEST(BatchProgram, KeepsTheKernelsOfTheWholeBatch) {
  const auto wide = [](int64_t images) {
    constexpr int64_t kSmallSide = 12;
    Graph graph(Mode::inference);
    const Builder b(graph);
    Value x(&graph, graph.add_input("images", {{images, kSmallSide, kSmallSide, 3}}));
    x = conv2d(b / "stem", x, {.out_channels = 40, .kernel = 3, .padding = 1});
    x = conv2d(b / "body", x, {.out_channels = 40, .kernel = 3, .padding = 1});
    graph.set_output("logits", linear(b / "head", global_avg_pool(x), {.out_features = 7}).id());
    return graph;
  };
  const auto kernels = [&](int64_t images) {
    std::vector<std::string> names;
    const BatchProgram program(wide, images, {.prepared = true});
    for (const ProgramRuns& half : program.halves()) {
      for (const Program::NodeReport& report : half.program->reports()) names.push_back(report.kernel);
    }
    return names;
  };
  EXPECT_EQ(kernels(1).at(1), "gemm");
  EXPECT_EQ(kernels(4).at(1), "winograd");
}

// A profile counts every run of a half.
TEST(BatchProgram, TellsHowOftenItsHalvesRun) {
  const ThreadTeamPtr team = ThreadTeam::make(2);
  const TeamScope scope(*team);
  const BatchProgram program(network, 6, {.prepared = true});
  const std::vector<ProgramRuns> halves = program.halves();
  ASSERT_EQ(halves.size(), 2);
  EXPECT_EQ(halves[0].runs, 6);
  EXPECT_EQ(halves[0].at_once, 2);
  EXPECT_EQ(halves[1].runs, 1);
  EXPECT_LT(halves[0].program->graph().nodes().size(), network(1).nodes().size());
}

}  // namespace
}  // namespace convoy
