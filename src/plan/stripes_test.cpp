#include "plan/stripes.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "convoy/model.h"
#include "convoy/ops.h"
#include "core/parallel.h"
#include "core/random.h"
#include "plan/network_graph.h"
#include "plan/passes.h"
#include "plan/program.h"
#include "plan/quantized_testing.h"
#include "plan/reparameterise.h"

namespace convoy {
namespace {

// Stripes of few rows wherever there can be some; and none.
constexpr StripeLimits kEverywhere{.stripe = 96 << 10, .cached = 0, .call = 0};
constexpr StripeLimits kNowhere{.cached = std::numeric_limits<size_t>::max() / 4};

struct Inference {
  std::vector<float> output;
  std::set<std::string> striped;  // the kernels of the layers that were
  size_t arena = 0;
  size_t layers = 0;     // computed in stripes
  bool widened = false;  // some had no kernel of brain floats: those take whole maps
};

// The outputs "y" of a graph of "images".
Inference infer(const Graph& graph, const Variables& variables, int threads, const ProgramOptions& asked,
                const StripeLimits& stripes) {
  const ThreadTeamPtr team = ThreadTeam::make(threads);
  const TeamScope scope(*team);
  ProgramOptions options = asked;
  options.prepared = true;
  options.guarded = true;
  options.stripes = stripes;
  Program program(graph, options);
  Buffer arena(program.arena_bytes());
  program.bind(variables, arena);
  program.prepare();
  RandomStream random(0, "images");
  std::vector<float> images(static_cast<size_t>(graph.value(graph.named("images")).type.shape.elements()));
  for (float& x : images) x = random.uniform(-1, 1);
  program.write("images", images);
  program.run({});
  Inference result{program.read("y"), {}, program.arena_bytes()};
  for (const Program::NodeReport& report : program.reports()) {
    result.widened = result.widened || report.widened;
    if (!report.striped) continue;
    ++result.layers;
    result.striped.insert(report.kernel);
  }
  return result;
}

using Network = std::function<Value(Builder, Value images)>;

Graph graph_of(const Network& network, const Shape& images) {
  Graph graph(Mode::inference);
  const Value y = network(Builder(graph), Value(&graph, graph.add_input("images", {images})));
  graph.set_output("y", y.id());
  run_passes(graph, forward_passes());
  return graph;
}

// That stripes make the same bits, with any number of threads, as whole maps; what they made.
Inference expect_same_bits(const Network& network, const Shape& images, const ProgramOptions& options = {}) {
  const Graph graph = graph_of(network, images);
  Variables variables;
  variables.add(graph, 1);
  const Inference whole = infer(graph, variables, 2, options, kNowhere);
  EXPECT_EQ(whole.layers, 0);
  Inference striped;
  for (const int threads : {1, 2, 3, 7}) {
    striped = infer(graph, variables, threads, options, kEverywhere);
    EXPECT_EQ(striped.output, whole.output) << threads;
  }
  EXPECT_TRUE(striped.layers > 1 || striped.widened);
  return infer(graph, variables, 1, options, kEverywhere);
}

// An inverted residual after a stem, as in MobileNetV2, and one with a stride.
Value residuals(Builder b, Value x) {
  x = activation(conv2d(b / "stem", x, {.out_channels = 16, .kernel = 3, .stride = 2, .padding = 1}),
                 Activation::relu6);
  const auto inverted = [&](const std::string& name, Value in, Size2 kernel, Size2 stride, int64_t out) {
    const Builder block = b / name;
    Value y = activation(conv2d(block / "expand", in, {.out_channels = 40}), Activation::relu6);
    y = conv2d(block / "depthwise", y,
               {.out_channels = 40, .kernel = kernel, .stride = stride, .padding = kernel.h / 2, .groups = 40});
    return conv2d(block / "project", activation(y, Activation::hard_swish), {.out_channels = out});
  };
  x = add(x, inverted("a", x, 3, 1, 16));
  x = inverted("b", x, 5, 2, 24);
  return add(x, inverted("c", x, 3, 1, 24));
}

TEST(Stripes, OfInvertedResidualsAreTheWhole) {
  const Inference made = expect_same_bits(residuals, {1, 46, 38, 3});
  EXPECT_EQ(made.striped, (std::set<std::string>{"depthwise", "gemm"}));
  EXPECT_EQ(made.layers, 10);
}

TEST(Stripes, OfBrainFloatsAreTheWhole) { expect_same_bits(residuals, {1, 46, 38, 3}, {.maps = DType::bf16}); }

// Branches of other strides and depths, which are read late; rows that nobody reads; uneven padding; all ops that go
// by rows.
TEST(Stripes, OfBranchesAreTheWhole) {
  const auto network = [](Builder b, Value x) {
    x = conv2d(b / "stem", x, {.out_channels = 12, .kernel = {5, 3}, .padding = {1, 0}, .extra_padding = {3, 1}});
    const Value pooled = max_pool(x, {.kernel = 3, .stride = 2, .padding = 1});
    const Value skipped = conv2d(b / "skip", x, {.out_channels = 12, .kernel = 1, .stride = 2});
    const Value wide =
        conv2d(b / "wide", x, {.out_channels = 12, .kernel = 3, .stride = 2, .padding = 3, .dilation = 3});
    Value y = concat({pooled, skipped, wide});
    const Value low = slice_channels(y, 0, 20), high = slice_channels(y, 20, 36);
    y = concat({activation(high, Activation::silu), low});
    y = add(y, conv2d(b / "mixed", y, {.out_channels = 36, .kernel = 3, .padding = 1, .groups = 4}));
    y = channel_scale(y, b.parameter("scale", {36}, Initializer::constant(1.5F)));
    return conv2d(b / "last", y, {.out_channels = 5, .kernel = {7, 3}, .stride = {3, 1}});
  };
  for (const Shape& images : {Shape{1, 41, 30, 3}, Shape{1, 24, 17, 3}}) {
    const Inference made = expect_same_bits(network, images);
    EXPECT_TRUE(made.striped.contains("simd") && made.striped.contains("copy"));
    expect_same_bits(network, images, {.maps = DType::bf16});
  }
}

// A gate needs the whole map, and so does who reads a map behind the run.
TEST(Stripes, EndWhereAMapIsReadAsAWhole) {
  const auto network = [](Builder b, Value x) {
    x = conv2d(b / "a", x, {.out_channels = 16, .kernel = 3, .padding = 1});
    const Value kept = conv2d(b / "b", x, {.out_channels = 16, .kernel = 3, .padding = 1, .groups = 16});
    const Value gated = channel_scale(kept, global_avg_pool(kept));
    x = conv2d(b / "c", gated, {.out_channels = 32});
    return conv2d(b / "d", x, {.out_channels = 8, .kernel = 3, .padding = 1, .groups = 8});
  };
  const Graph graph = graph_of(network, {1, 40, 40, 3});
  const Program program(graph, {.prepared = true, .stripes = kEverywhere});
  for (const auto& [name, id] : graph.outputs()) EXPECT_FALSE(program.is_between_stripes(id));
  for (const Node& node : graph.nodes()) {
    if (node.op->name() != "avg_pool") continue;
    EXPECT_FALSE(program.is_between_stripes(node.inputs[0]));
  }
  expect_same_bits(network, {1, 40, 40, 3});
}

// Maps between the layers take the room of the rows that are still read.
TEST(Stripes, TakeLessMemory) {
  const Graph graph = graph_of(residuals, {1, 128, 128, 3});
  Variables variables;
  variables.add(graph, 1);
  const size_t whole = infer(graph, variables, 1, {}, kNowhere).arena;
  EXPECT_LT(infer(graph, variables, 1, {}, kEverywhere).arena, whole / 2);
}

TEST(Stripes, OfQuantizedLayersAreTheWhole) {
  Model model;
  model.name = "quantized";
  model.build = quantized_net;
  Graph graph = inference_graph(model, {.num_classes = 5}, {1, 36, 28, 3}, {});
  run_passes(graph, forward_passes());
  graph.set_output("y", graph.output("logits"));
  Variables variables;
  draw_quantized(graph, variables);
  const Inference whole = infer(graph, variables, 2, {}, kNowhere);
  for (const int threads : {1, 2, 3}) {
    const Inference striped = infer(graph, variables, threads, {}, kEverywhere);
    EXPECT_GT(striped.layers, 1);
    EXPECT_EQ(striped.output, whole.output);
  }
}

// What no test names: networks as they are.
TEST(Stripes, OfNetworksAreTheWhole) {
  for (const char* name :
       {"mobilenet_v2", "asymmnet_small", "cspdarknet53", "resnet18", "efficientnetv2_s", "mobilenet_v3_small"}) {
    for (const DType maps : {DType::f32, DType::bf16}) {
      Graph graph = inference_graph(find_model(name), {.num_classes = 5}, {1, 64, 64, 3}, {});
      Variables drawn;
      drawn.add(graph, 1);
      const Reparameterised ready = reparameterise(graph);
      Variables folded;
      folded.add(ready.graph, std::nullopt);
      fuse_weights(ready, drawn, folded);
      graph = ready.graph;
      run_passes(graph, forward_passes());
      graph.set_output("y", graph.output("logits"));
      const Inference whole = infer(graph, folded, 2, {.maps = maps}, kNowhere);
      const Inference striped = infer(graph, folded, 2, {.maps = maps}, {.stripe = 128 << 10, .cached = 0, .call = 0});
      EXPECT_TRUE(striped.layers > 1 || striped.widened) << name;
      EXPECT_EQ(striped.output, whole.output) << name;
    }
  }
}

}  // namespace
}  // namespace convoy
