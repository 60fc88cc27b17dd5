// How well a classifier does: ranks, losses and their sums.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "convoy/evaluation.h"

namespace convoy {

// Sums over samples; in double precision and in the order of the calls, so that equal samples give equal bits.
struct ClassificationSums {
  int64_t samples = 0;
  int64_t top1 = 0;
  int64_t top5 = 0;
  double loss = 0;

  void add(int64_t rank, double sample_loss);
  void add(const ImageOutcome& outcome) { add(outcome.rank, outcome.loss); }
  double mean_loss() const { return samples == 0 ? 0 : loss / static_cast<double>(samples); }
  double top1_share() const { return samples == 0 ? 0 : static_cast<double>(top1) / static_cast<double>(samples); }
  double top5_share() const { return samples == 0 ? 0 : static_cast<double>(top5) / static_cast<double>(samples); }
};

// The number of classes that the logits put before `label`: of equal logits the class of the lower number is first.
// NaN is before everything.
int64_t rank_of(std::span<const float> logits, int label);

// The k classes of the greatest logits, first the greatest, equal ones by number; all when there are fewer.
std::vector<int> top_classes(std::span<const float> logits, int k);

// -log softmax(logits)(label), in double precision.
double cross_entropy_of(std::span<const float> logits, int label);

// softmax(logits), in double precision.
std::vector<double> softmax_of(std::span<const float> logits);

// What a network that gives these logits makes of an image of class `label`.
ImageOutcome outcome_of(std::string image, std::span<const float> logits, int label);

Evaluation evaluation_of(const ClassificationSums& sums);

// Adds the samples with logits {labels.size(), classes}.
void add_batch(std::span<const float> logits, std::span<const int> labels, ClassificationSums& sums);

}  // namespace convoy
