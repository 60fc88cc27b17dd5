// Looking for a learning rate: the loss while the rate grows from step to step (Smith, arXiv 1506.01186).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "convoy/recipe.h"

namespace convoy {

struct LearningRateSweep {
  double first_lr = 1e-7;   // above 0
  double last_lr = 10;      // above first_lr, at most 1000
  int64_t updates = 100;    // in which the rate grows by equal factors; at least 2
  double smoothing = 0.98;  // decay rate of the moving average of the loss, in [0, 1)
  double stop_factor = 4;   // the sweep ends when the smoothed loss is that many times its least; above 1
};

struct LearningRatePoint {
  double lr = 0;
  double loss = 0;      // of the batches of one update, before it
  double smoothed = 0;  // the moving average of the losses, corrected for its start at 0
};

struct LearningRateCurve {
  std::vector<LearningRatePoint> points;
  // Where the smoothed loss falls most steeply by the logarithm of the rate, as Lightning suggests it; unset when there
  // are too few points or it never falls.
  std::optional<double> suggestion;
  bool diverged = false;  // the sweep ended before last_lr
};

// The first points of a curve, in which its average settles: no suggestion counts them.
inline constexpr size_t kSettlingPoints = 10;

// The suggestion for a curve, between its first kSettlingPoints and its least smoothed loss: behind that the loss also
// falls now and then, on its way up.
std::optional<double> steepest_descent(const std::vector<LearningRatePoint>& points);

// Trains the recipe's network, from its start, on the recipe's images with growing rates, and keeps nothing.
// on_point hears of every update; stop ends the sweep after the update at hand. Throws as train(), and UsageError for a
// sweep out of its ranges.
LearningRateCurve find_learning_rate(const Recipe& recipe, const LearningRateSweep& sweep = {},
                                     const std::function<void(const LearningRatePoint&)>& on_point = {},
                                     const std::atomic<bool>* stop = nullptr);

}  // namespace convoy
