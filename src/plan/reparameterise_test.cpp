#include "plan/reparameterise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "convoy/model.h"
#include "core/random.h"
#include "plan/passes.h"
#include "plan/program.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

Graph graph_of(const Shape& images, const std::function<Value(Builder, Value)>& build) {
  Graph graph(Mode::inference);
  const Value input(&graph, graph.add_input("images", {images}));
  graph.set_output("logits", build(Builder(graph), input).id());
  return graph;
}

// Weights and statistics away from where they start, which would hide mistakes.
void scatter(const Variables& variables) {
  for (const auto& [name, variable] : variables.all()) {
    RandomStream random(1, name);
    const bool norm = variable.shape.rank() == 1;
    for (int64_t i = 0; i < variable.shape.elements(); ++i) {
      float& x = variable.floats()[i];
      if (name.ends_with("running_var") || (norm && name.ends_with("weight"))) {
        x = random.uniform(0.5F, 1.5F);
      } else if (norm) {
        x = random.uniform(-0.3F, 0.3F);
      }
    }
  }
}

std::vector<float> run(const Graph& graph, const Variables& variables) {
  Graph copy = graph;
  run_passes(copy, forward_passes());
  Program program(std::move(copy), {.guarded = false, .exact = true});
  Buffer arena(program.arena_bytes());
  program.bind(variables, arena);
  const Graph& planned = program.graph();
  const int64_t pixels = planned.value(planned.named("images")).type.shape.elements();
  RandomStream random(2, "images");
  for (int64_t i = 0; i < pixels; ++i) program.data("images")[i] = random.uniform(-1.7F, 1.7F);
  program.run({});
  const float* logits = program.data("logits");
  return {logits, logits + planned.value(planned.output("logits")).type.shape.elements()};
}

// The fused graph; its outputs are those of the original.
Reparameterised check_equal(const Graph& graph) {
  Reparameterised fused = reparameterise(graph);
  verify_graph(fused.graph);
  Variables original, into;
  original.add(graph, 3);
  scatter(original);
  into.add(fused.graph, 4);
  fuse_weights(fused, original, into);
  const std::vector<float> expected = run(graph, original), got = run(fused.graph, into);
  EXPECT_EQ(expected.size(), got.size());
  float largest = 0, difference = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    difference = std::max(difference, std::abs(expected[i] - got[i]));
  }
  EXPECT_GT(largest, 1e-3F);
  EXPECT_LE(difference, 1e-4F * largest);
  return fused;
}

std::vector<std::string> variable_names(const Graph& graph) {
  std::vector<std::string> names;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueKind kind = graph.value(id).kind;
    if (kind == ValueKind::parameter || kind == ValueKind::state) names.push_back(graph.value(id).name);
  }
  return names;
}

Value conv_norm(Builder b, Value x, Conv2d conv) {
  conv.bias = false;
  return batch_norm(b / "bn", conv2d(b / "conv", x, conv));
}

TEST(Reparameterise, ANormBecomesPartOfTheConvolution) {
  const Reparameterised fused = check_equal(graph_of({2, 7, 6, 3}, [](Builder b, Value x) {
    x = conv2d(b / "conv", x, {.out_channels = 5, .kernel = 3, .stride = 2, .padding = 1});
    x = relu(batch_norm(b / "bn", x));
    return batch_norm(b / "last", linear(b / "fc", global_avg_pool(x), {.out_features = 4, .bias = false}));
  }));
  EXPECT_THAT(fused.rewrites, ElementsAre(Pair("norm", 2)));
  EXPECT_THAT(variable_names(fused.graph), ElementsAre("conv.weight", "conv.bias", "fc.weight", "fc.bias"));
  EXPECT_EQ(fused.graph.value(fused.graph.named("fc.weight")).layout, FileLayout::linear);
}

// Any order of the sum, whichever kernels come first.
TEST(Reparameterise, AsymmetricBranchesBecomeOneKernel) {
  for (int order = 0; order < 3; ++order) {
    const Reparameterised fused = check_equal(graph_of({2, 9, 8, 3}, [order](Builder b, Value x) {
      const auto branch = [&](const char* name, Size2 kernel) {
        return conv_norm(b / "block" / name, x,
                         {.out_channels = 4, .kernel = kernel, .stride = 2, .padding = {kernel.h / 2, kernel.w / 2}});
      };
      const Value square = branch("square", 5), vertical = branch("ver", {5, 1}), horizontal = branch("hor", {1, 3});
      if (order == 0) return global_avg_pool(relu(add(add(vertical, horizontal), square)));
      if (order == 1) return global_avg_pool(relu(add(square, add(vertical, horizontal))));
      return global_avg_pool(relu(add(add(square, vertical), horizontal)));
    }));
    EXPECT_THAT(variable_names(fused.graph), ElementsAre("block.fused.weight", "block.fused.bias"));
    EXPECT_EQ(fused.convolutions.size(), 1);
  }
}

// RepVGG's block: 3x3, 1x1 and a norm of the input; and the input itself.
TEST(Reparameterise, TheInputIsABranch) {
  for (const int64_t groups : {1, 2, 6}) {
    const Reparameterised fused = check_equal(graph_of({2, 5, 5, 6}, [groups](Builder b, Value x) {
      x = relu(x);
      const Value big = conv_norm(b / "big", x, {.out_channels = 6, .kernel = 3, .padding = 1, .groups = groups});
      const Value small = conv_norm(b / "small", x, {.out_channels = 6, .groups = groups});
      return global_avg_pool(add(add(add(big, small), batch_norm(b / "identity", x)), x));
    }));
    EXPECT_EQ(fused.convolutions.size(), 1);
    EXPECT_THAT(variable_names(fused.graph), ElementsAre("fused.weight", "fused.bias"));
  }
}

TEST(Reparameterise, ScalesAndPointwiseConvolutionsAreTakenIn) {
  const Reparameterised fused = check_equal(graph_of({2, 6, 6, 3}, [](Builder b, Value x) {
    x = conv_norm(b / "a", x, {.out_channels = 8, .kernel = 3});
    x = conv_norm(b / "b", x, {.out_channels = 4});  // 27 x 4 products instead of 27 x 8 + 8 x 4
    x = relu(channel_scale(x, b.parameter("gamma", {4}, Initializer::normal(1))));
    x = conv2d(b / "c", x, {.out_channels = 1});
    return global_avg_pool(conv2d(b / "d", x, {.out_channels = 4}));  // one would take more products
  }));
  EXPECT_THAT(fused.rewrites, UnorderedElementsAre(Pair("norm", 2), Pair("pointwise", 1), Pair("scale", 1)));
  EXPECT_THAT(variable_names(fused.graph),
              ElementsAre("fused.weight", "fused.bias", "c.weight", "c.bias", "d.weight", "d.bias"));
}

TEST(Reparameterise, LeavesAloneWhatIsNotOneConvolution) {
  const Graph graph = graph_of({2, 6, 6, 4}, [](Builder b, Value x) {
    const Value read_twice = conv2d(b / "a", x, {.out_channels = 4});
    const Value activated = relu(conv2d(b / "b", batch_norm(b / "bn", read_twice), {.out_channels = 4}));
    const Value other_place = conv2d(b / "c", activated, {.out_channels = 4, .kernel = 3, .padding = 1});
    // Neither kernel covers the other; and the inputs of the last sum differ.
    const Value crossed = add(conv2d(b / "d", activated, {.out_channels = 4, .kernel = {1, 3}, .padding = {0, 1}}),
                              conv2d(b / "e", activated, {.out_channels = 4, .kernel = {3, 1}, .padding = {1, 0}}));
    // A kernel of the same size beside its place, and one with gaps.
    const Value dilated =
        add(other_place, conv2d(b / "f", activated, {.out_channels = 4, .kernel = 3, .padding = 2, .dilation = 2}));
    return global_avg_pool(add(add(relu(crossed), relu(dilated)), add(read_twice, activated)));
  });
  const Reparameterised fused = check_equal(graph);
  EXPECT_THAT(fused.rewrites, ElementsAre());
  EXPECT_EQ(variable_names(fused.graph), variable_names(graph));
}

class ReparameterisedNetwork : public testing::TestWithParam<std::string> {};

TEST_P(ReparameterisedNetwork, GivesTheSameOutputsWithoutNorms) {
  const Model& model = find_model(GetParam());
  const int64_t size = std::min<int64_t>(model.image_size, 64);
  const Graph graph = graph_of({2, size, size, 3},
                               [&](Builder b, Value images) { return model.build(b, images, {.num_classes = 10}); });
  const auto norms_behind_convolutions = [](const Graph& g) {
    int count = 0;
    for (size_t i = 0; i + 1 < g.nodes().size(); ++i) {
      count += g.nodes()[i].op->name() == "conv2d" && g.nodes()[i + 1].op->name() == "batch_norm" ? 1 : 0;
    }
    return count;
  };
  if (reparameterise(graph).convolutions.empty()) {
    EXPECT_EQ(norms_behind_convolutions(graph), 0);
    return;
  }
  EXPECT_EQ(norms_behind_convolutions(check_equal(graph).graph), 0);
}

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (const Model& model : models()) names.push_back(model.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Models, ReparameterisedNetwork, testing::ValuesIn(names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace convoy
