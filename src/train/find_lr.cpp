#include "convoy/find_lr.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "train/trainer.h"

namespace convoy {
namespace {

void check(const LearningRateSweep& sweep) {
  if (!(sweep.first_lr > 0 && sweep.first_lr < sweep.last_lr && sweep.last_lr <= 1000)) {
    throw UsageError(
        fmt::format("learning rates: expected 0 < first < last <= 1000, got {} and {}", sweep.first_lr, sweep.last_lr));
  }
  if (sweep.updates < 2) throw UsageError(fmt::format("updates: expected at least 2, got {}", sweep.updates));
  if (!(sweep.smoothing >= 0 && sweep.smoothing < 1)) {
    throw UsageError(fmt::format("smoothing: expected a number from 0 to below 1, got {}", sweep.smoothing));
  }
  if (!(sweep.stop_factor > 1)) {
    throw UsageError(fmt::format("stop factor: expected a number above 1, got {}", sweep.stop_factor));
  }
}

// The recipe without what belongs to a whole run.
Recipe for_sweep(Recipe recipe, const LearningRateSweep& sweep) {
  recipe.experiment.clear();
  recipe.resume = false;
  recipe.epochs = sweep.updates * recipe.grad_accum_steps;  // an epoch has a batch at least
  recipe.max_updates = 0;
  recipe.time = 0;
  recipe.save_best_above.reset();
  const Recipe plain;
  for (const RecipeField& field : recipe_fields()) {
    if (field.name.starts_with("progressive-")) field.set(recipe, field.get(plain).value_or("auto"));
  }
  return recipe;
}

}  // namespace

std::optional<double> steepest_descent(const std::vector<LearningRatePoint>& points) {
  if (points.size() <= kSettlingPoints) return std::nullopt;
  const auto least = std::ranges::min_element(points, {}, &LearningRatePoint::smoothed);
  std::optional<double> best;
  double steepest = 0;
  for (size_t i = kSettlingPoints; i < static_cast<size_t>(least - points.begin()); ++i) {
    const double slope = (points[i + 1].smoothed - points[i - 1].smoothed) / 2;
    if (slope >= steepest) continue;
    steepest = slope;
    best = points[i].lr;
  }
  return best;
}

LearningRateCurve Trainer::sweep(const LearningRateSweep& sweep,
                                 const std::function<void(const LearningRatePoint&)>& on_point) {
  resume();  // of a run that is not there: starts the weights
  begin_stage();
  LearningRateCurve curve;
  double average = 0, least = 0;
  for (int64_t i = 0; i < sweep.updates && !stop_asked(); ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(sweep.updates - 1);
    LearningRatePoint point{.lr = sweep.first_lr * std::pow(sweep.last_lr / sweep.first_lr, share)};
    for (int64_t batch = 0; batch < recipe_.grad_accum_steps; ++batch) {
      point.loss += train_batch(point.lr, -1) / static_cast<double>(recipe_.grad_accum_steps);
    }
    average = sweep.smoothing * average + (1 - sweep.smoothing) * point.loss;
    point.smoothed = average / (1 - std::pow(sweep.smoothing, static_cast<double>(i + 1)));
    curve.diverged = !std::isfinite(point.loss) || (i > 0 && point.smoothed > sweep.stop_factor * least);
    if (!std::isfinite(point.loss)) break;
    least = i == 0 ? point.smoothed : std::min(least, point.smoothed);
    curve.points.push_back(point);
    if (on_point) on_point(point);
    if (curve.diverged) break;
  }
  curve.suggestion = steepest_descent(curve.points);
  return curve;
}

LearningRateCurve find_learning_rate(const Recipe& recipe, const LearningRateSweep& sweep,
                                     const std::function<void(const LearningRatePoint&)>& on_point,
                                     const std::atomic<bool>* stop) {
  check(sweep);
  const TrainCallbacks silent;
  return Trainer(for_sweep(recipe, sweep), silent, stop).sweep(sweep, on_point);
}

}  // namespace convoy
