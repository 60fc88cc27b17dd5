// The table of optimizers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "convoy/error.h"
#include "convoy/optimizer.h"
#include "convoy/recipe.h"
#include "plan/program.h"
#include "train/optimizer_options.h"
#include "train/updates.h"

namespace convoy {
namespace {

const std::map<std::string, Shape> kWeights = {{"matrix", {1, 1, 8, 6}}, {"vector", {5}}};

float target(int64_t i) { return i % 2 == 0 ? 0.5F : -0.5F; }

float distance(const Program& program) {
  float sum = 0;
  for (const auto& [name, shape] : kWeights) {
    for (int64_t i = 0; i < shape.elements(); ++i) sum += std::abs(program.data(name)[i] - target(i));
  }
  return sum;
}

// Gradient descent on half the squared distance from the target, as the recipe's defaults have it, with a learning rate
// that falls.
TEST(Optimizers, EveryOneFindsTheLeastOfASquare) {
  for (const Optimizer& optimizer : optimizers()) {
    Recipe recipe;
    recipe.opt = optimizer.name;
    recipe.weight_decay = 0;
    StepOptions options;
    options.optimizer = optimizer_options(recipe);
    Graph graph(Mode::training);
    Gradients gradients;
    for (const auto& [name, shape] : kWeights) {
      gradients.emplace_back(graph.add_parameter(name, shape, Initializer::constant(0), FileLayout::same),
                             graph.add_input("gradient of " + name, {shape}));
    }
    add_updates(graph, options, {}, gradients);
    Variables variables;
    variables.add(graph, 1);
    Program program(std::move(graph), {.guarded = true});
    Buffer arena(program.arena_bytes());
    program.bind(variables, arena);
    for (const auto& [name, shape] : kWeights) std::fill_n(program.data(name), shape.elements(), 0.1F);
    const float before = distance(program);
    constexpr int64_t kSteps = 2000;
    for (int64_t step = 0; step < kSteps; ++step) {
      for (const auto& [name, shape] : kWeights) {
        float* gradient = program.data("gradient of " + name);
        for (int64_t i = 0; i < shape.elements(); ++i) gradient[i] = program.data(name)[i] - target(i);
      }
      const float left = 1 - static_cast<float>(step) / kSteps;
      program.run({.step = step, .update = step, .learning_rate = 0.02F * left});
    }
    EXPECT_LT(distance(program), 0.3F * before) << optimizer.name;
  }
}

TEST(Optimizers, AreDescribed) {
  for (const Optimizer& optimizer : optimizers()) {
    EXPECT_FALSE(optimizer.description.empty()) << optimizer.name;
    EXPECT_EQ(&find_optimizer(optimizer.name), &optimizer);
    if (optimizer.other_decay.empty()) continue;
    EXPECT_EQ(find_optimizer(optimizer.other_decay).other_decay, optimizer.name);
  }
}

TEST(Optimizers, AnUnknownNameSuggests) {
  try {
    find_optimizer("sdg");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "unknown optimizer 'sdg' (did you mean 'sgd'?)");
  }
}

}  // namespace
}  // namespace convoy
