#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "train/optimizer_options.h"

namespace convoy {
namespace {

constexpr double kLowMomentum = 0.85;
constexpr double kHighMomentum = 0.95;
constexpr double kWarmupShare = 0.1;
constexpr double kMostWarmupEpochs = 5;

// Of a run of `epochs` whose recipe leaves it open.
double usual_warmup_epochs(Recipe::Schedule kind, double epochs) {
  using Schedule = Recipe::Schedule;
  const bool falls = kind == Schedule::cosine || kind == Schedule::linear || kind == Schedule::poly;
  return falls ? std::min(kWarmupShare * epochs, kMostWarmupEpochs) : 0;
}

}  // namespace

double Schedule::at(int64_t t) const {
  const auto now = static_cast<double>(t);
  if (now < warmup) return warmup_lr + now * ((lr - warmup_lr) / warmup);
  switch (kind) {
    case Recipe::Schedule::cosine:
      if (now >= length) return min_lr;
      return min_lr + 0.5 * (lr - min_lr) * (1 + std::cos(std::numbers::pi * now / length));
    case Recipe::Schedule::linear: return lr + (min_lr - lr) * std::min(1.0, (now - warmup) / (length - warmup));
    case Recipe::Schedule::poly: return min_lr + (lr - min_lr) * std::pow(1 - std::min(1.0, now / length), power);
    case Recipe::Schedule::onecycle: return cycle(lr / div_factor, lr, lr / div_factor / final_div_factor, now);
    case Recipe::Schedule::step: return lr * std::pow(decay_rate, std::floor(now / decay_interval));
    case Recipe::Schedule::multistep:
      return lr * std::pow(decay_rate, std::ranges::upper_bound(milestones, now + 1) - milestones.begin());
    case Recipe::Schedule::constant: return lr;
  }
  return lr;
}

double Schedule::momentum_at(int64_t t) const {
  if (kind != Recipe::Schedule::onecycle || !cycle_momentum) return -1;
  return cycle(kHighMomentum, kLowMomentum, kHighMomentum, static_cast<double>(t));
}

double Schedule::cycle(double first, double peak, double last, double t) const {
  const double top = rise * length - 1, end = length - 1;
  const auto between = [](double from, double to, double share) {
    return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * share));
  };
  if (t <= top) return between(first, peak, top > 0 ? t / top : 1);
  return between(peak, last, std::min(1.0, (t - top) / (end - top)));
}

Schedule schedule_of(const Recipe& recipe, double updates_per_epoch) {
  const double unit = recipe.sched_on_updates ? updates_per_epoch : 1;
  const auto epochs = static_cast<double>(recipe.epochs), most = static_cast<double>(recipe.max_updates);
  const double length = recipe.max_updates > 0 ? std::min(epochs, most / updates_per_epoch) : epochs;
  const double lr = base_learning_rate(recipe);
  Schedule schedule{.kind = recipe.sched,
                    .lr = lr,
                    .min_lr = recipe.min_lr,
                    .warmup_lr = recipe.warmup_epochs ? recipe.warmup_lr : std::min(recipe.warmup_lr, lr),
                    .warmup = recipe.warmup_epochs.value_or(usual_warmup_epochs(recipe.sched, length)) * unit,
                    .length = length * unit,
                    .power = recipe.poly_power,
                    .rise = recipe.pct_start,
                    .div_factor = recipe.div_factor,
                    .final_div_factor = recipe.final_div_factor,
                    .cycle_momentum = recipe.cycle_momentum,
                    .decay_interval = recipe.decay_epochs * unit,
                    .milestones = {},
                    .decay_rate = recipe.decay_rate};
  for (const int64_t epoch : recipe.decay_milestones) schedule.milestones.push_back(static_cast<double>(epoch) * unit);
  return schedule;
}

}  // namespace convoy
