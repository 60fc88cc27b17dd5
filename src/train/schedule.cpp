#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace convoy {

double Schedule::at(int64_t t) const {
  const auto now = static_cast<double>(t);
  if (now < warmup) return warmup_lr + now * ((lr - warmup_lr) / warmup);
  switch (kind) {
    case Recipe::Schedule::cosine:
      if (now >= length) return min_lr;
      return min_lr + 0.5 * (lr - min_lr) * (1 + std::cos(std::numbers::pi * now / length));
    case Recipe::Schedule::step: return lr * std::pow(decay_rate, std::floor(now / decay_interval));
    case Recipe::Schedule::multistep:
      return lr * std::pow(decay_rate, std::ranges::upper_bound(milestones, now + 1) - milestones.begin());
    case Recipe::Schedule::constant: return lr;
  }
  return lr;
}

Schedule schedule_of(const Recipe& recipe, int64_t updates_per_epoch) {
  const double unit = recipe.sched_on_updates ? static_cast<double>(updates_per_epoch) : 1;
  Schedule schedule{.kind = recipe.sched,
                    .lr = base_learning_rate(recipe),
                    .min_lr = recipe.min_lr,
                    .warmup_lr = recipe.warmup_lr,
                    .warmup = recipe.warmup_epochs * unit,
                    .length = static_cast<double>(recipe.epochs) * unit,
                    .decay_interval = recipe.decay_epochs * unit,
                    .milestones = {},
                    .decay_rate = recipe.decay_rate};
  for (const int64_t epoch : recipe.decay_milestones) schedule.milestones.push_back(static_cast<double>(epoch) * unit);
  return schedule;
}

double base_learning_rate(const Recipe& recipe) {
  if (recipe.lr) return *recipe.lr;
  const double images = static_cast<double>(recipe.batch_size * recipe.grad_accum_steps) / 256;
  return recipe.opt == Recipe::Optimizer::sgd ? 0.1 * images : 0.001 * std::sqrt(images);
}

}  // namespace convoy
