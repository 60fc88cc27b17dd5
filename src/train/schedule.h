// The learning rate of every update.
#pragma once

#include <cstdint>
#include <vector>

#include "convoy/recipe.h"

namespace convoy {

// timm's schedulers without warm-up prefix: the warm-up is part of the schedule's length, not before it.
// Lengths count in t, which is epochs or updates.
struct Schedule {
  Recipe::Schedule kind = Recipe::Schedule::cosine;
  double lr = 0.1;
  double min_lr = 0;  // cosine
  double warmup_lr = 0;
  double warmup = 0;
  double length = 1;               // cosine
  double decay_interval = 1;       // step
  std::vector<double> milestones;  // multistep, ascending
  double decay_rate = 1;           // step, multistep

  // The rate at t, counted from 0: linear from warmup_lr to lr before `warmup`, then
  //   cosine     min_lr + (lr - min_lr) (1 + cos(pi t / length)) / 2, min_lr from `length` on
  //   step       lr decay_rate^floor(t / decay_interval)
  //   multistep  lr decay_rate^(milestones that are at most t + 1)
  double at(int64_t t) const;
};

// The schedule of a recipe whose rate is set; t counts updates if the recipe schedules on updates, else epochs.
Schedule schedule_of(const Recipe& recipe, int64_t updates_per_epoch);

// The rate that a recipe asks for, or its default.
double base_learning_rate(const Recipe& recipe);

}  // namespace convoy
