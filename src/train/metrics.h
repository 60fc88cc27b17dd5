// How well a classifier does: loss, accuracy, and what it mistakes for what.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace convoy {

// Sums over samples; in double precision and in the order of the calls, so that equal samples give equal bits.
struct ClassificationSums {
  int64_t samples = 0;
  int64_t top1 = 0;
  int64_t top5 = 0;
  double loss = 0;

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

// Counts of {true class, predicted class}.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(int classes)
      : classes_(classes), counts_(static_cast<size_t>(classes) * static_cast<size_t>(classes)) {}

  int classes() const { return classes_; }
  void add(int label, int predicted) { ++counts_[index(label, predicted)]; }
  int64_t count(int label, int predicted) const { return counts_[index(label, predicted)]; }
  int64_t samples_of(int label) const;
  int64_t predictions_of(int predicted) const;
  // 0 for a class that no sample has, or that was never predicted.
  double recall(int label) const;
  double precision(int predicted) const;

 private:
  size_t index(int label, int predicted) const {
    return static_cast<size_t>(label) * static_cast<size_t>(classes_) + static_cast<size_t>(predicted);
  }

  int classes_;
  std::vector<int64_t> counts_;
};

// Evaluates logits {labels.size(), classes}: adds to the sums and, where there is one, to the matrix.
void add_batch(std::span<const float> logits, std::span<const int> labels, ClassificationSums& sums,
               ConfusionMatrix* confusion = nullptr);

}  // namespace convoy
