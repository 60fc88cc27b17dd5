#include "train/optimizer_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "convoy/error.h"
#include "plan/program.h"
#include "train/updates.h"

namespace convoy {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const json& references() {
  static const json document = json::parse(std::ifstream(CONVOY_SOURCE_DIR "/tests/data/optimizers.json"));
  return document;
}

// Before any test adds one.
const std::vector<std::string> kKnown = find_recipe_field("opt").choices();

// Where element i of a tensor in PyTorch's order of axes is in ours.
std::vector<size_t> places(const json& shape) {
  const auto extents = shape.get<std::vector<size_t>>();
  const size_t out = extents[0];
  size_t in = 1, pixels = 1;
  if (extents.size() > 1) in = extents[1];
  for (size_t axis = 2; axis < extents.size(); ++axis) pixels *= extents[axis];
  std::vector<size_t> result;
  for (size_t o = 0; o < out; ++o) {
    for (size_t i = 0; i < in; ++i) {
      for (size_t p = 0; p < pixels; ++p) result.push_back((p * in + i) * out + o);
    }
  }
  return result;
}

Shape inside(const json& shape) {
  const auto s = shape.get<std::vector<int64_t>>();
  if (s.size() == 4) return {s[2], s[3], s[1], s[0]};
  return s.size() == 2 ? Shape{1, 1, s[1], s[0]} : Shape{s[0]};
}

void set(float* data, const json& values, const json& shape) {
  const std::vector<size_t> at = places(shape);
  for (size_t i = 0; i < at.size(); ++i) data[at[i]] = values[i].get<float>();
}

Role role_of(const std::string& name) {
  if (name == "norm.bias") return Role::norm_bias;
  return name == "head.weight" ? Role::head_weight : Role::other;
}

// The updates of what is not frozen, all inputs being there.
Program updates_of(const StepOptions& options, const std::map<std::string, double>& scales, Variables& variables) {
  Graph graph(Mode::training);
  Gradients gradients;
  for (const auto& [name, shape] : references()["shapes"].items()) {
    const ValueId weight = graph.add_parameter(name, inside(shape), {}, FileLayout::same, role_of(name));
    const ValueId gradient = graph.add_input("gradient of " + name, {inside(shape)});
    if (!options.frozen.contains(name)) gradients.emplace_back(weight, gradient);
  }
  add_updates(graph, options, scales, gradients);
  variables.add(graph, 1);
  return Program(std::move(graph), {.guarded = true});
}

class OptimizerReference : public testing::TestWithParam<size_t> {};

// The recipe's way to the weights: its settings, their defaults, the graph of the updates, the kernels.
TEST_P(OptimizerReference, FourUpdatesAgreeWithPyTorchAndTimm) {
  const json& document = references();
  const json& expected = document["cases"][GetParam()];
  Recipe recipe;
  read_recipe_text(recipe, expected["recipe"].get<std::string>(), "case");
  settle_optimizer(recipe);
  StepOptions options;
  options.optimizer = optimizer_options(recipe);
  options.clip_grad_norm = static_cast<float>(clip_grad_norm(recipe));

  std::map<std::string, double> scales;
  if (expected.contains("scales")) scales = expected["scales"].get<std::map<std::string, double>>();
  if (expected.contains("thawed")) {
    options.frozen = expected["thawed"].get<std::set<std::string>>();
    options.thawed_after = expected["thawed_after"].get<int64_t>();
  }
  Variables variables;
  // What learns before the others thaw, and from then on.
  Program early = updates_of(options, scales, variables);
  options.thawed = std::exchange(options.frozen, {});
  Program late = updates_of(options, scales, variables);
  Buffer arena(std::max(early.arena_bytes(), late.arena_bytes()));
  for (Program* program : {&early, &late}) program->bind(variables, arena);
  for (const auto& [name, shape] : document["shapes"].items()) set(late.data(name), document["start"][name], shape);
  for (size_t step = 0; step < document["rates"].size(); ++step) {
    Program& program = static_cast<int64_t>(step) < options.thawed_after ? early : late;
    for (const auto& [name, shape] : document["shapes"].items()) {
      set(program.data("gradient of " + name), document["gradients"][step][name], shape);
    }
    const json& momenta = expected["momenta"];
    program.run({.step = static_cast<int64_t>(step),
                 .update = static_cast<int64_t>(step),
                 .learning_rate = document["rates"][step].get<float>(),
                 .momentum = momenta.is_null() ? -1 : momenta[step].get<float>()});
  }
  for (const auto& [name, shape] : document["shapes"].items()) {
    const std::vector<size_t> at = places(shape);
    for (size_t i = 0; i < at.size(); ++i) {
      EXPECT_NEAR(late.data(name)[at[i]], expected["result"][name][i].get<double>(), 3e-6) << name << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, OptimizerReference, testing::Range(size_t{0}, references()["cases"].size()),
                         [](const auto& test) {
                           return references()["cases"][test.param]["name"].template get<std::string>();
                         });

TEST(OptimizerReference, ThereIsOneForEveryOptimizer) {
  std::set<std::string> seen;
  for (const json& one : references()["cases"]) {
    Recipe recipe;
    read_recipe_text(recipe, one["recipe"].get<std::string>(), "case");
    seen.insert(*find_recipe_field("opt").get(recipe));
  }
  EXPECT_THAT(seen, testing::UnorderedElementsAreArray(kKnown));
}

TEST(OptimizerOptions, TheRateFollowsOptimizerAndImagesOfAnUpdate) {
  Recipe recipe;
  recipe.batch_size = 32;
  recipe.grad_accum_steps = 4;
  EXPECT_DOUBLE_EQ(base_learning_rate(recipe), 0.002);
  recipe.opt = "sgd";
  EXPECT_DOUBLE_EQ(base_learning_rate(recipe), 0.05);
  recipe.lr = 0.3;
  EXPECT_DOUBLE_EQ(base_learning_rate(recipe), 0.3);
}

TEST(OptimizerOptions, SettledIsWhatTheOptimizerHas) {
  for (const std::string& opt : kKnown) {
    Recipe recipe;
    recipe.data = "photos";
    recipe.model = "resnet18";
    recipe.opt = opt;
    const OptimizerOptions open = optimizer_options(recipe);
    settle_optimizer(recipe);
    EXPECT_NO_THROW(check(recipe)) << opt;
    const OptimizerOptions settled = optimizer_options(recipe);
    EXPECT_EQ(open.momentum, settled.momentum) << opt;
    EXPECT_EQ(open.beta2, settled.beta2) << opt;
    EXPECT_EQ(open.eps, settled.eps) << opt;
    EXPECT_TRUE(recipe.momentum || recipe.opt_betas) << opt;
  }
}

TEST(OptimizerOptions, WhatAnOptimizerLacksIsRefused) {
  const auto complaint = [](const char* toml) -> std::string {
    Recipe recipe;
    recipe.data = "photos";
    recipe.model = "resnet18";
    read_recipe_text(recipe, toml, "r.toml");
    try {
      check(recipe);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(complaint("opt = 'adam'\nmomentum = 0.5"), "momentum: adam does not have it, got 0.5; use opt-betas");
  EXPECT_EQ(complaint("opt = 'sgd'\nopt-betas = [0.8, 0.9]"),
            "opt-betas: sgd does not have it, got 0.8,0.9; use momentum");
  EXPECT_THAT(complaint("opt = 'lion'\nopt-eps = 0.5"), HasSubstr("opt-eps: lion does not have it"));
  EXPECT_THAT(complaint("opt = 'muon'\nnesterov = true"),
              HasSubstr("nesterov: muon does not have it, got true; only sgd"));
  EXPECT_THAT(complaint("opt = 'adamw'\ndecay-mode = 'l2'"),
              HasSubstr("decay-mode: adamw does not have it, got l2; use opt adam"));
  EXPECT_THAT(complaint("opt = 'lion'\ndecay-mode = 'l2'"), HasSubstr("decay-mode: lion"));
  EXPECT_EQ(complaint("opt = 'sgd'\ndecay-mode = 'decoupled'"), "");
  EXPECT_THAT(complaint("opt = 'sgd'\nsched = 'onecycle'\nmomentum = 0.9"),
              HasSubstr("momentum: expected none beside sched onecycle"));
  EXPECT_EQ(complaint("opt = 'sgd'\nsched = 'onecycle'\nmomentum = 0.9\ncycle-momentum = false"), "");
}

}  // namespace
}  // namespace convoy
