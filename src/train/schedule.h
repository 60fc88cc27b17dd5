// The learning rate of every update.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/recipe.h"
#include "convoy/schedule.h"

namespace convoy {

// timm's schedulers without warm-up prefix: the warm-up is part of the schedule's length, not before it.
// Lengths count in t, which is epochs or updates.
struct Schedule {
  std::string name = "cosine";
  double lr = 0.1;
  double min_lr = 0;  // cosine, linear, poly
  double warmup_lr = 0;
  double warmup = 0;
  double length = 1;               // of the run
  double power = 1;                // poly
  double rise = 0.3;               // onecycle: share of the length in which the rate rises
  double div_factor = 25;          // onecycle: lr over the first rate
  double final_div_factor = 1e4;   // onecycle: the first rate over the last
  bool cycle_momentum = false;     // onecycle
  double decay_interval = 1;       // step
  std::vector<double> milestones;  // multistep, ascending
  double decay_rate = 1;           // step, multistep

  // The rate at t, counted from 0: linear from warmup_lr to lr before `warmup`, then
  //   cosine     min_lr + (lr - min_lr) (1 + cos(pi t / length)) / 2, min_lr from `length` on
  //   linear     a straight line from lr at `warmup` to min_lr at `length`
  //   poly       min_lr + (lr - min_lr) (1 - t / length)^power
  //   onecycle   torch's OneCycleLR: half a cosine up from lr / div_factor to lr, which is reached at
  //              rise length - 1, and half a cosine down to lr / (div_factor final_div_factor) at length - 1
  //   step       lr decay_rate^floor(t / decay_interval)
  //   multistep  lr decay_rate^(milestones that are at most t + 1)
  // and as add_schedule was told.
  double at(int64_t t) const;
  // What takes the place of the optimizer's momentum or first beta: with cycle_momentum, 0.95 where the rate is low and
  // 0.85 where it is lr, as OneCycleLR's; below 0: the optimizer's own.
  double momentum_at(int64_t t) const;
};

// A kind of schedule.
struct ScheduleKind {
  std::string name;
  // Whether a run whose recipe leaves that open begins with a warm-up.
  bool warms_up = false;
  // The rate at t, behind the warm-up.
  std::function<double(const Schedule&, double t)> rate;
  // The momentum at t; empty: it does not vary it.
  std::function<double(const Schedule&, double t)> momentum = {};
  // The settings that it has in place of warmup-epochs and min-lr; empty: it has these.
  std::string own_ends = {};
};

// Throws UsageError, with the nearest known name, when there is none.
const ScheduleKind& find_schedule(std::string_view name);

// The schedule of a recipe whose rate is set; t counts updates if the recipe schedules on updates, else epochs. Where
// gradients are accumulated over batches, an epoch need not have a whole number of updates.
Schedule schedule_of(const Recipe& recipe, double updates_per_epoch);

}  // namespace convoy
