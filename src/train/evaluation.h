// Passing images through a network that infers.
#pragma once

#include <functional>
#include <span>

#include "convoy/train.h"
#include "data/loader.h"
#include "train/metrics.h"
#include "train/step.h"

namespace convoy {

// The labels of the batch's samples.
inline std::span<const int> labels_of(const Batch& batch) {
  return {batch.labels.data(), static_cast<size_t>(batch.size)};
}

// Hears of every batch and the logits {batch.size, classes} of its samples; false ends the pass.
using BatchVisitor = std::function<bool(const Batch& batch, std::span<const float> logits)>;

// Passes the next epoch of `loader`, whose batches have the size that `step` was planned for, a short one filled up by
// what the memory happens to hold. Samples do not influence each other. False when the visitor ended it.
bool infer_epoch(InferenceStep& step, Loader& loader, int64_t classes, const BatchVisitor& visit);

Evaluation evaluation_of(const ClassificationSums& sums);

}  // namespace convoy
