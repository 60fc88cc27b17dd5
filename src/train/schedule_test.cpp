#include "train/schedule.h"

#include <gtest/gtest.h>

namespace convoy {
namespace {

using Kind = Recipe::Schedule;

// The rates are those of timm 1.0.31, create_scheduler_v2(SGD(lr), ...).step(t) or .step_update(t).
void expect_rates(const Schedule& schedule, const std::vector<double>& rates) {
  for (size_t t = 0; t < rates.size(); ++t) {
    EXPECT_NEAR(schedule.at(static_cast<int64_t>(t)), rates[t], 1e-9) << "t = " << t;
  }
}

Schedule make_schedule(Kind kind, double warmup_lr, double warmup) {
  Schedule schedule;
  schedule.kind = kind;
  schedule.lr = 0.1;
  schedule.warmup_lr = warmup_lr;
  schedule.warmup = warmup;
  return schedule;
}

TEST(Schedule, CosineFollowsTimm) {
  Schedule schedule = make_schedule(Kind::cosine, 1e-3, 2);
  schedule.min_lr = 1e-4;
  schedule.length = 6;
  expect_rates(schedule, {0.001, 0.0505, 0.075025, 0.05005, 0.025075, 0.00679203108, 0.0001, 0.0001});
}

TEST(Schedule, StepFollowsTimm) {
  Schedule schedule = make_schedule(Kind::step, 1e-2, 1);
  schedule.decay_interval = 3;
  schedule.decay_rate = 0.5;
  expect_rates(schedule, {0.01, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.0125});
}

TEST(Schedule, MultistepFollowsTimm) {
  Schedule schedule = make_schedule(Kind::multistep, 1e-2, 2);
  schedule.milestones = {3, 6};
  schedule.decay_rate = 0.2;
  expect_rates(schedule, {0.01, 0.055, 0.02, 0.02, 0.02, 0.004, 0.004, 0.004, 0.004, 0.004});
}

TEST(Schedule, ConstantFollowsTimm) {
  expect_rates(make_schedule(Kind::constant, 1e-2, 2), {0.01, 0.055, 0.1, 0.1, 0.1});
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

  recipe.sched = Kind::multistep;
  recipe.warmup_epochs = 0;
  recipe.decay_milestones = {1, 2};
  const Schedule multistep = schedule_of(recipe, 3);
  expect_rates(multistep, {0.2, 0.2, 0.02, 0.02, 0.02, 0.002, 0.002});

  recipe.sched = Kind::step;
  recipe.decay_epochs = 1;
  const Schedule step = schedule_of(recipe, 2);
  expect_rates(step, {0.2, 0.2, 0.02, 0.02, 0.002, 0.002, 0.0002});
}

TEST(ScheduleOf, CountsEpochsOtherwise) {
  Recipe recipe;
  recipe.epochs = 6;
  recipe.lr = 0.1;
  recipe.warmup_epochs = 2;
  recipe.warmup_lr = 1e-3;
  recipe.min_lr = 1e-4;
  EXPECT_NEAR(schedule_of(recipe, 1000).at(5), 0.00679203108, 1e-9);
}

TEST(BaseLearningRate, FollowsOptimizerAndImagesOfAnUpdate) {
  Recipe recipe;
  recipe.batch_size = 32;
  recipe.grad_accum_steps = 2;
  EXPECT_DOUBLE_EQ(base_learning_rate(recipe), 0.025);
  recipe.opt = Recipe::Optimizer::adamw;
  EXPECT_DOUBLE_EQ(base_learning_rate(recipe), 0.0005);
  recipe.lr = 0.3;
  EXPECT_DOUBLE_EQ(base_learning_rate(recipe), 0.3);
}

}  // namespace
}  // namespace convoy
