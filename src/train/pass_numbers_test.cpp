// Each pass by what it must not change: the numbers of two training steps and of inference, in double precision, where
// another order of the same sums does not show.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "convoy/model.h"
#include "core/random.h"
#include "inference/testing.h"
#include "plan/network_graph.h"
#include "train/step.h"

namespace convoy {
namespace {

constexpr int64_t kBatch = 2;

// Residual sums, two norms of one sum, an activation that stands alone, gradients that meet.
Value build(Builder b, Value x, const ModelOptions& options) {
  x = relu(
      batch_norm(b / "bn1", conv2d(b / "conv1", x, {.out_channels = 6, .kernel = 3, .padding = 1, .bias = false})));
  Value y =
      batch_norm(b / "bn2", conv2d(b / "conv2", x, {.out_channels = 6, .kernel = 3, .padding = 1, .bias = false}));
  y = relu(add(y, x));
  const Value z = activation(add(conv2d(b / "conv3", y, {.out_channels = 6}), x), Activation::gelu);
  return linear(b / "fc", global_avg_pool(add(z, y)), {.out_features = options.num_classes, .head = true});
}

Model network() {
  return {.name = "passes", .description = "a test", .image_size = kSide, .num_classes = kClasses, .build = build};
}

std::vector<float> random_floats(std::string_view name, size_t count) {
  RandomStream random(1, name);
  std::vector<float> values(count);
  for (float& x : values) x = random.uniform(-1, 1);
  return values;
}

using Numbers = std::map<std::string, std::vector<float>>;

Numbers train(const std::set<std::string>& disabled) {
  const Model model = network();
  Variables variables(reference_backend());
  StepOptions options;
  options.model = &model;
  options.model_options.num_classes = kClasses;
  options.batch_size = kBatch;
  options.image_size = kSide;
  options.clip_grad_norm = 0.5F;
  options.disabled_passes = disabled;
  TrainingStep step(options, variables, 1);
  Buffer arena(step.arena_bytes());
  step.bind(variables, arena);
  Numbers numbers;
  for (int64_t i = 0; i < 2; ++i) {
    std::ranges::copy(random_floats("images", kBatch * 3 * kSide * kSide), step.images());
    std::ranges::copy(std::vector<float>{1, 0, 0, 0, 0, 1}, step.targets());
    step.run({.step = i, .update = i, .updates = 2, .learning_rate = 0.1F});
    numbers["loss " + std::to_string(i)] = {step.loss()};
  }
  for (const auto& [name, variable] : variables.all()) numbers[name] = variables.read(name);
  return numbers;
}

Numbers infer(const std::set<std::string>& disabled) {
  Graph graph = inference_graph(network(), {.num_classes = kClasses}, {kBatch, kSide, kSide, 3});
  Variables variables(reference_backend());
  variables.add(graph, 1);
  run_passes(graph, forward_passes(), disabled);
  Program program(std::move(graph), {.backend = reference_backend()});
  Buffer arena(program.arena_bytes());
  program.bind(variables, arena);
  program.write("images", random_floats("images", kBatch * 3 * kSide * kSide));
  program.run({});
  return {{"logits", program.read("logits")}};
}

void expect_same(const Numbers& with, const Numbers& without) {
  ASSERT_EQ(with.size(), without.size());
  for (const auto& [name, values] : with) {
    const std::vector<float>& others = without.at(name);
    ASSERT_EQ(values.size(), others.size()) << name;
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_NEAR(values[i], others[i], 1e-6 * std::max(1.0F, std::abs(values[i]))) << name << " " << i;
    }
  }
}

TEST(Passes, ChangeNoNumbers) {
  const Numbers trained = train({}), inferred = infer({});
  ASSERT_NE(trained.at("loss 0"), trained.at("loss 1"));
  std::set<std::string> all;
  for (const std::span<const Pass> passes : {forward_passes(), step_passes()}) {
    for (const Pass& pass : passes) {
      SCOPED_TRACE(pass.name);
      const std::string name(pass.name);
      all.insert(name);
      expect_same(trained, train({name}));
      expect_same(inferred, infer({name}));
    }
  }
  expect_same(trained, train(all));
  expect_same(inferred, infer(all));
}

}  // namespace
}  // namespace convoy
