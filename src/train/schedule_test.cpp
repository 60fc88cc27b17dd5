#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "convoy/error.h"

namespace convoy {
namespace {

// The rates are those of timm 1.0.31, create_scheduler_v2(SGD(lr), ...).step(t) or .step_update(t).
void expect_rates(const Schedule& schedule, const std::vector<double>& rates) {
  for (size_t t = 0; t < rates.size(); ++t) {
    EXPECT_NEAR(schedule.at(static_cast<int64_t>(t)), rates[t], 1e-9) << "t = " << t;
  }
}

Schedule make_schedule(const std::string& name, double warmup_lr, double warmup) {
  Schedule schedule;
  schedule.name = name;
  schedule.lr = 0.1;
  schedule.warmup_lr = warmup_lr;
  schedule.warmup = warmup;
  return schedule;
}

TEST(Schedule, CosineFollowsTimm) {
  Schedule schedule = make_schedule("cosine", 1e-3, 2);
  schedule.min_lr = 1e-4;
  schedule.length = 6;
  expect_rates(schedule, {0.001, 0.0505, 0.075025, 0.05005, 0.025075, 0.00679203108, 0.0001, 0.0001});
}

TEST(Schedule, StepFollowsTimm) {
  Schedule schedule = make_schedule("step", 1e-2, 1);
  schedule.decay_interval = 3;
  schedule.decay_rate = 0.5;
  expect_rates(schedule, {0.01, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.0125});
}

TEST(Schedule, MultistepFollowsTimm) {
  Schedule schedule = make_schedule("multistep", 1e-2, 2);
  schedule.milestones = {3, 6};
  schedule.decay_rate = 0.2;
  expect_rates(schedule, {0.01, 0.055, 0.02, 0.02, 0.02, 0.004, 0.004, 0.004, 0.004, 0.004});
}

TEST(Schedule, ConstantFollowsTimm) { expect_rates(make_schedule("constant", 1e-2, 2), {0.01, 0.055, 0.1, 0.1, 0.1}); }

TEST(Schedule, PolyFollowsTimmAndTorch) {
  Schedule schedule = make_schedule("poly", 1e-3, 2);
  schedule.min_lr = 1e-4;
  schedule.length = 6;
  schedule.power = 2;
  expect_rates(schedule, {0.001, 0.0505, 0.0445, 0.025075, 0.0112, 0.002875, 0.0001, 0.0001});
  // torch 2.15, PolynomialLR(total_iters=4, power=0.9).
  schedule = make_schedule("poly", 0, 0);
  schedule.length = 4;
  schedule.power = 0.9;
  expect_rates(schedule, {0.1, 0.0771889507, 0.0535886731, 0.0287174589, 0, 0});
}

// airbench94's get_lr with lr 1.5 and 20 steps, of which 4 warm up.
TEST(Schedule, LinearFollowsAirbench) {
  Schedule schedule = make_schedule("linear", 0.3, 4);
  schedule.lr = 1.5;
  schedule.min_lr = 0.105;
  schedule.length = 20;
  expect_rates(schedule, {0.3,     0.6,       0.9,      1.2,       1.5,    1.4128125, 1.325625, 1.2384375,
                          1.15125, 1.0640625, 0.976875, 0.8896875, 0.8025, 0.7153125, 0.628125, 0.5409375,
                          0.45375, 0.3665625, 0.279375, 0.1921875, 0.105,  0.105});
}

void expect_momenta(const Schedule& schedule, const std::vector<double>& momenta) {
  for (size_t t = 0; t < momenta.size(); ++t) {
    EXPECT_NEAR(schedule.momentum_at(static_cast<int64_t>(t)), momenta[t], 1e-8) << "t = " << t;
  }
}

// torch 2.15, OneCycleLR(max_lr=0.1, total_steps=10), and with pct_start=0.5, div_factor=10, final_div_factor=100
// for 7.
TEST(Schedule, OneCycleFollowsTorch) {
  Schedule schedule = make_schedule("onecycle", 0, 0);
  schedule.length = 10;
  schedule.cycle_momentum = true;
  expect_rates(schedule, {0.004, 0.052, 0.1, 0.0950484632, 0.0811745654, 0.0611262022, 0.0388741978, 0.0188258346,
                          0.0049519368, 4e-07, 4e-07});
  expect_momenta(schedule, {0.95, 0.9, 0.85, 0.854951557, 0.86882551, 0.888873953, 0.911126047, 0.93117449, 0.945048443,
                            0.95, 0.95});
  schedule.length = 7;
  schedule.rise = 0.5;
  schedule.div_factor = 10;
  schedule.final_div_factor = 100;
  expect_rates(schedule, {0.01, 0.0410942353, 0.0914057647, 0.095053395, 0.0611649207, 0.0189066844, 0.0001});
  expect_momenta(schedule, {0.95, 0.91545085, 0.85954915, 0.854951557, 0.888873953, 0.93117449, 0.95});
  schedule.cycle_momentum = false;
  EXPECT_LT(schedule.momentum_at(3), 0);
  schedule.length = 1;
  EXPECT_TRUE(std::isfinite(schedule.at(0)));
}

TEST(ScheduleOf, EndsWithTheLastUpdate) {
  Recipe recipe;
  recipe.epochs = 10;
  recipe.max_updates = 476;
  recipe.sched = "linear";
  recipe.sched_on_updates = true;
  recipe.lr = 1.5;
  recipe.min_lr = 0.105;
  recipe.warmup_lr = 0.3;
  recipe.warmup_epochs = 109.0 / 48;
  const Schedule schedule = schedule_of(recipe, 48);
  EXPECT_DOUBLE_EQ(schedule.length, 476);
  EXPECT_NEAR(schedule.at(109), 1.5, 1e-9);
  EXPECT_NEAR(schedule.at(475), 1.5 * (1 - 0.93 * 366 / 367), 1e-9);
  recipe.sched_on_updates = false;
  EXPECT_DOUBLE_EQ(schedule_of(recipe, 48).length, 476.0 / 48);
}

TEST(ScheduleOf, CountsUpdatesWhenAsked) {
  Recipe recipe;
  recipe.epochs = 3;
  recipe.lr = 0.2;
  recipe.warmup_epochs = 1;
  recipe.warmup_lr = 0.05;
  recipe.min_lr = 0.01;
  recipe.sched_on_updates = true;
  const Schedule cosine = schedule_of(recipe, 3);
  expect_rates(cosine, {0.05, 0.1, 0.15, 0.1525, 0.121496577, 0.0885034231, 0.0575, 0.0322257779, 0.015729201, 0.01});

  recipe.sched = "multistep";
  recipe.warmup_epochs = 0;
  recipe.decay_milestones = {1, 2};
  const Schedule multistep = schedule_of(recipe, 3);
  expect_rates(multistep, {0.2, 0.2, 0.02, 0.02, 0.02, 0.002, 0.002});

  recipe.sched = "step";
  recipe.decay_epochs = 1;
  const Schedule step = schedule_of(recipe, 2);
  expect_rates(step, {0.2, 0.2, 0.02, 0.02, 0.002, 0.002, 0.0002});
}

TEST(ScheduleOf, EndsWithARunWhoseEpochsHaveNoWholeNumberOfUpdates) {
  Recipe recipe;
  recipe.epochs = 4;
  recipe.lr = 0.1;
  recipe.min_lr = 0;
  recipe.warmup_epochs = 0;
  recipe.sched_on_updates = true;
  EXPECT_DOUBLE_EQ(schedule_of(recipe, 5.0 / 4).length, 5);
  recipe.epochs = 20;
  recipe.max_updates = 10;
  EXPECT_DOUBLE_EQ(schedule_of(recipe, 5.0 / 4).length, 10);
  recipe.sched_on_updates = false;
  EXPECT_DOUBLE_EQ(schedule_of(recipe, 5.0 / 4).length, 8);
}

TEST(ScheduleOf, CountsEpochsOtherwise) {
  Recipe recipe;
  recipe.epochs = 6;
  recipe.lr = 0.1;
  recipe.warmup_epochs = 2;
  recipe.warmup_lr = 1e-3;
  recipe.min_lr = 1e-4;
  recipe.sched_on_updates = false;
  EXPECT_NEAR(schedule_of(recipe, 1000).at(5), 0.00679203108, 1e-9);
}

TEST(ScheduleOf, WarmsUpForATenthOfTheRunUnlessToldOtherwise) {
  Recipe recipe;
  recipe.epochs = 30;
  recipe.lr = 0.1;
  EXPECT_DOUBLE_EQ(schedule_of(recipe, 50).warmup, 150);
  EXPECT_DOUBLE_EQ(schedule_of(recipe, 50).at(0), 1e-5);
  recipe.epochs = 300;
  EXPECT_DOUBLE_EQ(schedule_of(recipe, 50).warmup, 250);
  recipe.max_updates = 100;
  EXPECT_DOUBLE_EQ(schedule_of(recipe, 50).warmup, 10);
  recipe.lr = 1e-6;
  EXPECT_DOUBLE_EQ(schedule_of(recipe, 50).at(0), 1e-6);
  recipe.warmup_epochs = 0;
  EXPECT_DOUBLE_EQ(schedule_of(recipe, 50).warmup, 0);
  recipe.warmup_epochs.reset();
  for (const char* name : {"onecycle", "step", "multistep", "constant"}) {
    recipe.sched = name;
    EXPECT_DOUBLE_EQ(schedule_of(recipe, 50).warmup, 0);
  }
}

TEST(AddSchedule, RecipesKnowIt) {
  add_schedule("own", [](double progress) { return progress < 0.5 ? 1 : 0.25; });
  Schedule schedule = make_schedule("own", 0.02, 1);
  schedule.length = 4;
  expect_rates(schedule, {0.02, 0.1, 0.025, 0.025, 0.025});
  EXPECT_LT(schedule.momentum_at(1), 0);
  Recipe recipe;
  read_recipe_text(recipe, "sched = 'own'\nlr = 0.2", "text");
  recipe.epochs = 2;
  expect_rates(schedule_of(recipe, 2), {0.2, 0.2, 0.05, 0.05});
  EXPECT_EQ(schedule_names().back(), "own");
  EXPECT_THROW(add_schedule("own", [](double) { return 1; }), Error);
  EXPECT_THROW(add_schedule("cosine", [](double) { return 1; }), Error);
}

TEST(FindSchedule, SuggestsTheNearest) {
  try {
    find_schedule("cosin");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "unknown schedule 'cosin' (did you mean 'cosine'?)");
  }
}

}  // namespace
}  // namespace convoy
