// Looking for a learning rate: the loss while the rate grows from step to step (Smith, arXiv 1506.01186).
//
// Threads: these functions may be called from several at once, unless they write the same files.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "convoy/export_macro.h"
#include "convoy/recipe.h"

namespace convoy {

struct LearningRateSweep {
  double first_lr = 1e-7;  // above 0
  double last_lr = 10;     // above first_lr, at most 1000
  int64_t updates = 100;   // in which the rate grows by equal factors; at least 2
  double smoothing = 0.8;  // decay rate of the moving average of the loss, in [0, 1)
  double stop_factor = 4;  // the sweep ends when the smoothed loss is that many times its least; above 1
};

struct LearningRatePoint {
  double lr = 0;
  double loss = 0;      // of the batches of one update, before it
  double smoothed = 0;  // the moving average of the losses, corrected for its start at 0
};

// The rates that a curve suggests.
struct LearningRateAdvice {
  // The greatest rate at which the smoothed loss has risen by no more than a tenth of its fall since its least.
  double edge = 0;
  // Half of the edge: the average is behind the loss. For the peak of a schedule that falls to 0.
  double suggestion = 0;
  double valley = 0;    // fastai's: the middle of the longest falling subsequence of the smoothed loss
  double steepest = 0;  // Lightning's: where the smoothed loss falls most steeply by the logarithm of the rate
  double minimum = 0;   // fastai's: a tenth of the rate of the least smoothed loss
};

struct LearningRateCurve {
  std::vector<LearningRatePoint> points;
  double start = 0;  // mean of the first kSettlingPoints losses
  double least = 0;  // smoothed loss
  double noise = 0;  // deviation of the smoothed loss, from what neighbouring losses differ by
  // Unset where there are fewer than 2 kSettlingPoints points, or where the loss falls by less than kRealFall times its
  // noise.
  std::optional<LearningRateAdvice> advice;
  bool diverged = false;  // the sweep ended before last_lr
};

// The first points of a curve, in which its average settles: no advice counts them.
inline constexpr size_t kSettlingPoints = 10;
inline constexpr double kRealFall = 6;

// Fills in all but the points and `diverged`. smoothing: that of the points.
CONVOY_API void advise(LearningRateCurve& curve, double smoothing);

// Trains the recipe's network, from its start, on the recipe's images with growing rates, and keeps nothing.
// on_point hears of every update; stop ends the sweep after the update at hand. Throws as train(), and UsageError for a
// sweep out of its ranges.
CONVOY_API LearningRateCurve find_learning_rate(const Recipe& recipe, const LearningRateSweep& sweep = {},
                                                const std::function<void(const LearningRatePoint&)>& on_point = {},
                                                const std::atomic<bool>* stop = nullptr);

}  // namespace convoy
