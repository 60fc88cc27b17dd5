// The ops that update variables, run as a program runs them.
#include <gtest/gtest.h>

#include <cmath>

#include "ops/optimizer/optimizer.h"
#include "plan/program.h"

namespace convoy {
namespace {

constexpr int64_t kCount = 21;

// A graph with the states a, b, c and the inputs x, y, all {kCount}, and a program of the nodes that were added.
class Updates : public testing::Test {
 protected:
  Updates() {
    for (const char* name : {"a", "b", "c"}) graph.add_state(name, Shape{kCount}, Initializer::constant(0));
    for (const char* name : {"x", "y"}) graph.add_input(name, {Shape{kCount}});
  }

  ValueId add(std::shared_ptr<const Op> op, std::vector<ValueId> inputs) {
    const std::vector<ValueId> outputs = graph.add_node(std::move(op), std::move(inputs));
    return outputs.empty() ? kNoValue : outputs[0];
  }
  ValueId id(const char* name) const { return graph.named(name); }

  // Starts element i of every tensor as start(name, i).
  static double start(char name, int64_t i) { return 0.01 * static_cast<double>((i * 7 + name) % 50) + 0.1; }

  void run(const StepScalars& step) {
    program = std::make_unique<Program>(graph, ProgramOptions{.guarded = true});
    variables.add(graph, 1);
    arena = Buffer(program->arena_bytes());
    program->bind(variables, arena);
    for (const char* name : {"a", "b", "c", "x", "y"}) {
      for (int64_t i = 0; i < kCount; ++i) program->data(name)[i] = static_cast<float>(start(*name, i));
    }
    program->run(step);
  }
  template <class Expected>
  void expect(const char* name, const Expected& expected) const {
    for (int64_t i = 0; i < kCount; ++i) EXPECT_NEAR(program->data(name)[i], expected(i), 1e-6) << name << " " << i;
  }

  Graph graph{Mode::training};
  Variables variables;
  Buffer arena;
  std::unique_ptr<Program> program;
};

TEST_F(Updates, SgdWithClippedGradient) {
  const ValueId factor = add(std::make_shared<ClipFactorOp>(0.5F), {id("x"), id("y")});
  graph.set_output("factor", factor);
  add(std::make_shared<SgdOp>(SgdOp::Attributes{.momentum = 0.9F, .nesterov = true, .update = {.weight_decay = 0.1F}}),
      {id("a"), id("b"), id("x"), factor});
  run({.learning_rate = 0.5F});
  double norm = 0;
  for (int64_t i = 0; i < kCount; ++i) norm += std::pow(start('x', i), 2) + std::pow(start('y', i), 2);
  const double scale = 0.5 / (std::sqrt(norm) + 1e-6);
  EXPECT_NEAR(*program->data("factor"), scale, 1e-6);
  const auto gradient = [scale](int64_t i) { return start('x', i) * scale + 0.1 * start('a', i); };
  const auto momentum = [&](int64_t i) { return 0.9 * start('b', i) + gradient(i); };
  expect("b", momentum);
  expect("a", [&](int64_t i) { return start('a', i) - 0.5 * (gradient(i) + 0.9 * momentum(i)); });
}

TEST_F(Updates, SmallGradientsAreNotClipped) {
  graph.set_output("factor", add(std::make_shared<ClipFactorOp>(1e6F), {id("x"), id("y")}));
  run({});
  EXPECT_EQ(*program->data("factor"), 1.0F);
}

class AdamUpdates : public Updates, public testing::WithParamInterface<bool> {};

TEST_P(AdamUpdates, CorrectTheBiasByTheUpdatesMade) {
  const bool decoupled = GetParam();
  add(std::make_shared<AdamOp>(MomentAttributes{.update = {.weight_decay = 0.1F, .decoupled = decoupled}}),
      {id("a"), id("b"), id("c"), id("x"), kNoValue});
  run({.step = 11, .update = 4, .learning_rate = 0.5F});
  const auto gradient = [&](int64_t i) { return start('x', i) + (decoupled ? 0 : 0.1 * start('a', i)); };
  const auto first = [&](int64_t i) { return 0.9 * start('b', i) + 0.1 * gradient(i); };
  const auto second = [&](int64_t i) { return 0.999 * start('c', i) + 0.001 * gradient(i) * gradient(i); };
  expect("b", first);
  expect("c", second);
  expect("a", [&](int64_t i) {
    const double kept = start('a', i) * (decoupled ? 1 - 0.5 * 0.1 : 1);
    return kept - 0.5 * (first(i) / (1 - std::pow(0.9, 5))) / (std::sqrt(second(i) / (1 - std::pow(0.999, 5))) + 1e-8);
  });
}

INSTANTIATE_TEST_SUITE_P(L2AndDecoupled, AdamUpdates, testing::Bool());

// Update 5 of 8, with slow weights every 5 updates: airbench94's LookaheadState.update(decay=0.95**5 * (5 / 8)**3).
TEST_F(Updates, LookaheadMovesTheSlowWeightsAndPutsThemInPlace) {
  add(std::make_shared<LookaheadOp>(5, 0.95), {id("a"), id("b")});
  run({.update = 4, .updates = 8});
  const double decay = std::pow(0.95, 5) * std::pow(5.0 / 8, 3);
  const auto slow = [&](int64_t i) { return start('b', i) + (1 - decay) * (start('a', i) - start('b', i)); };
  expect("b", slow);
  expect("a", slow);
}

TEST_F(Updates, LookaheadWaitsBetweenAndEndsWithTheSlowWeights) {
  add(std::make_shared<LookaheadOp>(5, 0.95), {id("a"), id("b")});
  run({.update = 6, .updates = 8});
  expect("a", [](int64_t i) { return start('a', i); });
  expect("b", [](int64_t i) { return start('b', i); });
  run({.update = 7, .updates = 8});
  expect("a", [](int64_t i) { return start('b', i); });
  expect("b", [](int64_t i) { return start('b', i); });
}

// ModelEmaV3(model, decay=0.9998, use_warmup=True).get_decay(t + 1) of timm 1.0.31.
TEST(MovingAverage, WarmsUpAsTimms) {
  const std::pair<int64_t, double> timms[] = {{0, 0},
                                              {1, 0.3700394750525634},
                                              {2, 0.5192501432308638},
                                              {3, 0.6031497370079502},
                                              {10, 0.7978199917664258},
                                              {80, 0.9465833492478738},
                                              {1000, 0.9900066611160449},
                                              {400000, 0.9998}};
  for (const auto& [t, decay] : timms) EXPECT_NEAR(MovingAverageOp::decay_at(t, 0.9998), decay, 1e-15) << t;
}

TEST_F(Updates, MovingAverageAccumulateAndClear) {
  add(std::make_shared<MovingAverageOp>(0.75), {id("a"), id("x")});
  add(std::make_shared<AccumulateOp>(), {id("b"), id("y")});
  add(std::make_shared<ClearOp>(), {id("c")});
  run({.update = 1000});
  expect("a", [](int64_t i) { return 0.75 * start('a', i) + 0.25 * start('x', i); });
  expect("b", [](int64_t i) { return start('b', i) + start('y', i); });
  expect("c", [](int64_t) { return 0.0; });
}

}  // namespace
}  // namespace convoy
