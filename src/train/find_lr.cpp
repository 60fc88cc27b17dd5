#include "convoy/find_lr.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "convoy/error.h"
#include "core/parallel.h"
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
  recipe.unfreeze_after = 0;
  const Recipe plain;
  for (const RecipeField& field : recipe_fields()) {
    if (field.name.starts_with("progressive-")) field.set(recipe, field.get(plain).value_or("auto"));
  }
  return recipe;
}

using Points = std::vector<LearningRatePoint>;

constexpr double kRise = 0.1;

// All of these are behind the settling points.
size_t least_of(const Points& points) {
  const auto settled = points.begin() + kSettlingPoints;
  return static_cast<size_t>(
      std::min_element(settled, points.end(), [](const auto& a, const auto& b) { return a.smoothed < b.smoothed; }) -
      points.begin());
}

// Of single losses, were the curve flat: the median of what neighbours among the first `count` differ by, which for
// normal noise is 0.6745 sqrt(2) deviations.
double loss_deviation(const Points& points, size_t count) {
  std::vector<double> steps;
  for (size_t i = 1; i < count; ++i) steps.push_back(std::abs(points[i].loss - points[i - 1].loss));
  const auto middle = steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2);
  std::ranges::nth_element(steps, middle);
  return *middle / (0.6745 * std::numbers::sqrt2);
}

size_t steepest_of(const Points& points, size_t least) {
  size_t best = kSettlingPoints;
  double steepest = 0;
  for (size_t i = kSettlingPoints; i < least; ++i) {
    const double slope = points[i + 1].smoothed - points[i - 1].smoothed;
    if (slope >= steepest) continue;
    steepest = slope;
    best = i;
  }
  return best;
}

// As fastai counts: of the longest falling subsequence, the one that ends first is taken to begin as many points before
// its end as it has; the valley is half of that stretch in, a third and half a third in whole points.
size_t valley_of(const Points& points) {
  std::vector<double> tails;  // tails[k]: the greatest last loss, negated, of the falling subsequences of k + 1 points
  size_t end = 0, longest = 1;
  for (size_t i = kSettlingPoints; i < points.size(); ++i) {
    const double loss = -points[i].smoothed;
    const auto at = std::ranges::lower_bound(tails, loss);
    const auto length = static_cast<size_t>(at - tails.begin()) + 1;
    if (at == tails.end()) {
      tails.push_back(loss);
    } else {
      *at = loss;
    }
    if (length > longest) {
      longest = length;
      end = i - kSettlingPoints;
    }
  }
  const size_t begin = end - std::min(end, longest);
  const double third = static_cast<double>(end - begin) / 3;
  return kSettlingPoints + begin + static_cast<size_t>(third) + static_cast<size_t>(third / 2);
}

}  // namespace

void advise(LearningRateCurve& curve, double smoothing) {
  const Points& points = curve.points;
  curve.advice.reset();
  if (points.size() < 2 * kSettlingPoints) return;
  curve.start = 0;
  for (size_t i = 0; i < kSettlingPoints; ++i) curve.start += points[i].loss / kSettlingPoints;
  const size_t least = least_of(points);
  curve.least = points[least].smoothed;
  curve.noise = loss_deviation(points, std::max(least, kSettlingPoints)) * std::sqrt((1 - smoothing) / (1 + smoothing));
  const double fall = curve.start - curve.least;
  if (!(fall > kRealFall * curve.noise)) return;
  size_t edge = least;
  while (edge + 1 < points.size() && points[edge + 1].smoothed <= curve.least + kRise * fall) ++edge;
  curve.advice = {.edge = points[edge].lr,
                  .suggestion = points[edge].lr / 2,
                  .valley = points[valley_of(points)].lr,
                  .steepest = points[steepest_of(points, least)].lr,
                  .minimum = points[least].lr / 10};
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
  advise(curve, sweep.smoothing);
  return curve;
}

LearningRateCurve find_learning_rate(const Recipe& recipe, const LearningRateSweep& sweep,
                                     const std::function<void(const LearningRatePoint&)>& on_point,
                                     const std::atomic<bool>* stop) {
  check(sweep);
  const TrainCallbacks silent;
  const ThreadTeamPtr team = team_of(recipe.threads);
  const TeamScope scope(*team);
  return Trainer(for_sweep(recipe, sweep), silent, stop).sweep(sweep, on_point);
}

}  // namespace convoy
