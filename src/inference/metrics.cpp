#include "inference/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace convoy {
namespace {

// Whether class i, with logit x, comes before class j, with logit y.
bool precedes(float x, int64_t i, float y, int64_t j) {
  if (std::isnan(x) != std::isnan(y)) return std::isnan(x);
  return x > y || (!(x < y) && i < j);
}

double log_sum_exp(std::span<const float> logits) {
  const double greatest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - greatest);
  return greatest + std::log(sum);
}

}  // namespace

int64_t rank_of(std::span<const float> logits, int label) {
  const float own = logits[static_cast<size_t>(label)];
  int64_t rank = 0;
  for (size_t i = 0; i < logits.size(); ++i) rank += precedes(logits[i], static_cast<int64_t>(i), own, label) ? 1 : 0;
  return rank;
}

std::vector<int> top_classes(std::span<const float> logits, int k) {
  std::vector<int> classes(logits.size());
  std::iota(classes.begin(), classes.end(), 0);
  const auto count = std::min<int64_t>(k, static_cast<int64_t>(logits.size()));
  std::ranges::partial_sort(classes, classes.begin() + count, [&](int i, int j) {
    return precedes(logits[static_cast<size_t>(i)], i, logits[static_cast<size_t>(j)], j);
  });
  classes.resize(static_cast<size_t>(count));
  return classes;
}

double cross_entropy_of(std::span<const float> logits, int label) {
  return log_sum_exp(logits) - logits[static_cast<size_t>(label)];
}

std::vector<double> softmax_of(std::span<const float> logits) {
  const double normalizer = log_sum_exp(logits);
  std::vector<double> probabilities(logits.size());
  std::ranges::transform(logits, probabilities.begin(), [&](float logit) { return std::exp(logit - normalizer); });
  return probabilities;
}

void ClassificationSums::add(int64_t rank, double sample_loss) {
  ++samples;
  top1 += rank < 1 ? 1 : 0;
  top5 += rank < 5 ? 1 : 0;
  loss += sample_loss;
}

ImageOutcome outcome_of(std::string image, std::span<const float> logits, int label) {
  int predicted = 0;
  for (int i = 1; i < static_cast<int>(logits.size()); ++i) {
    if (precedes(logits[static_cast<size_t>(i)], i, logits[static_cast<size_t>(predicted)], predicted)) predicted = i;
  }
  const double normalizer = log_sum_exp(logits);
  return {.image = std::move(image),
          .label = label,
          .predicted = predicted,
          .confidence = std::exp(logits[static_cast<size_t>(predicted)] - normalizer),
          .rank = rank_of(logits, label),
          .loss = normalizer - logits[static_cast<size_t>(label)]};
}

Evaluation evaluation_of(const ClassificationSums& sums) {
  return {.images = sums.samples, .loss = sums.mean_loss(), .top1 = sums.top1_share(), .top5 = sums.top5_share()};
}

void add_batch(std::span<const float> logits, std::span<const int> labels, ClassificationSums& sums) {
  if (labels.empty()) return;
  const size_t classes = logits.size() / labels.size();
  for (size_t sample = 0; sample < labels.size(); ++sample) {
    const std::span<const float> row = logits.subspan(sample * classes, classes);
    sums.add(rank_of(row, labels[sample]), cross_entropy_of(row, labels[sample]));
  }
}

}  // namespace convoy
