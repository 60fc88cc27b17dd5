#include "train/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <numbers>
#include <utility>

#include "convoy/error.h"
#include "core/text.h"
#include "train/optimizer_options.h"

namespace convoy {
namespace {

constexpr double kLowMomentum = 0.85;
constexpr double kHighMomentum = 0.95;
constexpr double kWarmupShare = 0.1;
constexpr double kMostWarmupEpochs = 5;

// Half a cosine up and half a cosine down.
double cycle(const Schedule& schedule, double first, double peak, double last, double t) {
  const double top = schedule.rise * schedule.length - 1, end = schedule.length - 1;
  const auto between = [](double from, double to, double share) {
    return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * share));
  };
  if (t <= top) return between(first, peak, top > 0 ? t / top : 1);
  return between(peak, last, std::min(1.0, (t - top) / (end - top)));
}

double cosine(const Schedule& s, double t) {
  if (t >= s.length) return s.min_lr;
  return s.min_lr + 0.5 * (s.lr - s.min_lr) * (1 + std::cos(std::numbers::pi * t / s.length));
}

double linear(const Schedule& s, double t) {
  return s.lr + (s.min_lr - s.lr) * std::min(1.0, (t - s.warmup) / (s.length - s.warmup));
}

double poly(const Schedule& s, double t) {
  return s.min_lr + (s.lr - s.min_lr) * std::pow(1 - std::min(1.0, t / s.length), s.power);
}

double onecycle(const Schedule& s, double t) {
  return cycle(s, s.lr / s.div_factor, s.lr, s.lr / s.div_factor / s.final_div_factor, t);
}

double onecycle_momentum(const Schedule& s, double t) {
  return cycle(s, kHighMomentum, kLowMomentum, kHighMomentum, t);
}

double step(const Schedule& s, double t) { return s.lr * std::pow(s.decay_rate, std::floor(t / s.decay_interval)); }

double multistep(const Schedule& s, double t) {
  return s.lr * std::pow(s.decay_rate, std::ranges::upper_bound(s.milestones, t + 1) - s.milestones.begin());
}

double constant(const Schedule& s, double) { return s.lr; }

std::deque<ScheduleKind>& registry() {
  static std::deque<ScheduleKind> all{{.name = "cosine", .warms_up = true, .rate = cosine},
                                      {.name = "linear", .warms_up = true, .rate = linear},
                                      {.name = "poly", .warms_up = true, .rate = poly},
                                      {.name = "onecycle",
                                       .rate = onecycle,
                                       .momentum = onecycle_momentum,
                                       .own_ends = "pct-start, div-factor and final-div-factor"},
                                      {.name = "step", .rate = step},
                                      {.name = "multistep", .rate = multistep},
                                      {.name = "constant", .rate = constant}};
  return all;
}

// Of a run of `epochs` whose recipe leaves it open.
double usual_warmup_epochs(const ScheduleKind& kind, double epochs) {
  return kind.warms_up ? std::min(kWarmupShare * epochs, kMostWarmupEpochs) : 0;
}

}  // namespace

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  for (const ScheduleKind& kind : registry()) names.push_back(kind.name);
  return names;
}

const ScheduleKind& find_schedule(std::string_view name) {
  const auto found = std::ranges::find(registry(), name, &ScheduleKind::name);
  if (found == registry().end()) throw UsageError(unknown_name("schedule", name, schedule_names()));
  return *found;
}

void add_schedule(std::string name, std::function<double(double)> factor) {
  if (std::ranges::find(registry(), name, &ScheduleKind::name) != registry().end()) {
    throw InternalError(fmt::format("there is already a schedule named '{}'", name));
  }
  registry().push_back({.name = std::move(name), .rate = [factor = std::move(factor)](const Schedule& s, double t) {
                          return s.lr * factor(std::min(1.0, t / s.length));
                        }});
}

double Schedule::at(int64_t t) const {
  const auto now = static_cast<double>(t);
  if (now < warmup) return warmup_lr + now * ((lr - warmup_lr) / warmup);
  return find_schedule(name).rate(*this, now);
}

double Schedule::momentum_at(int64_t t) const {
  const ScheduleKind& kind = find_schedule(name);
  if (kind.momentum == nullptr || !cycle_momentum) return -1;
  return kind.momentum(*this, static_cast<double>(t));
}

Schedule schedule_of(const Recipe& recipe, double updates_per_epoch) {
  const double unit = recipe.sched_on_updates ? updates_per_epoch : 1;
  const auto epochs = static_cast<double>(recipe.epochs), most = static_cast<double>(recipe.max_updates);
  const double length = recipe.max_updates > 0 ? std::min(epochs, most / updates_per_epoch) : epochs;
  const double lr = base_learning_rate(recipe);
  Schedule schedule{
      .name = recipe.sched,
      .lr = lr,
      .min_lr = recipe.min_lr,
      .warmup_lr = recipe.warmup_epochs ? recipe.warmup_lr : std::min(recipe.warmup_lr, lr),
      .warmup = recipe.warmup_epochs.value_or(usual_warmup_epochs(find_schedule(recipe.sched), length)) * unit,
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
