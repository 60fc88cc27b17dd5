// Training runs beside each other.
//
// Threads: these functions may be called from several at once, unless they write the same files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "convoy/evaluation.h"
#include "convoy/export_macro.h"
#include "convoy/train.h"

namespace convoy {

// A row of results.csv; NaN where nothing was measured.
struct RunEpoch {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  int64_t epoch = 0;  // from 1
  double lr = kNone;
  double train_loss = kNone;
  double train_top1 = kNone;
  double val_loss = kNone;
  double val_top1 = kNone;
  double val_top5 = kNone;
};

// What the folder of a run tells.
struct CONVOY_API RunSummary {
  std::filesystem::path folder;
  std::string version;  // of Convoy
  std::string model;
  int64_t image_size = 0;
  int64_t batch_size = 0;
  std::vector<std::string> class_names;
  int64_t train_images = 0;
  int64_t val_images = 0;
  int64_t parameters = 0;
  int64_t multiply_adds = 0;  // of the network on one image
  int64_t planned_bytes = 0;  // of weights, optimizer and activations
  int64_t epochs_planned = 0;
  bool finished = false;
  RunCost cost;
  std::vector<RunEpoch> epochs;        // those that are done
  std::vector<ImageOutcome> outcomes;  // of the best weights; empty where there was no validation

  // The first epoch of the greatest val_top1; null where there was no validation.
  const RunEpoch* best() const;
  // Images a second over the whole run, of training steps and of validations; 0 where there were none.
  double train_images_per_second() const;
  double val_images_per_second() const;
};

// Throws Error that names the folder or file when it is no run folder of `convoy train`, or damaged.
CONVOY_API RunSummary read_run(const std::filesystem::path& folder);

struct Interval {
  double low = 0;
  double high = 1;
};

// Wilson's score interval: where the true share lies with 95 % confidence when `successes` of `trials` were one
// (Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927).
CONVOY_API Interval wilson_interval(int64_t successes, int64_t trials);

// Whether two shares of right answers differ by more than chance.
struct Significance {
  enum class Test : uint8_t {
    mcnemar,        // exact and paired: both runs judged the same images
    two_proportion  // pooled z-test of two independent samples: which images they judged is not known of both
  };

  Test test = Test::two_proportion;
  double p = 1;  // two-sided
  bool significant() const { return p < 0.05; }
};

// Why the accuracies of two runs do not compare, "one and two have different classes, such as 'dog'"; empty where
// nothing is known against it. Images are the same when their file names and classes are.
CONVOY_API std::string incomparable(const RunSummary& a, const RunSummary& b);

// Of the best epochs of two runs; nullopt where one was never validated or they do not compare.
CONVOY_API std::optional<Significance> compare_accuracy(const RunSummary& a, const RunSummary& b);

// Writes comparison.png and comparison.svg, accuracy and loss of all runs by epoch, into the folder, which is made
// where it is missing. Throws Error when they cannot be written.
CONVOY_API void write_comparison_charts(const std::vector<RunSummary>& runs, const std::filesystem::path& folder);

}  // namespace convoy
