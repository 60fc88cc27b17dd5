// Passing images through a network that infers.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "convoy/classifier.h"
#include "data/content.h"
#include "data/loader.h"
#include "inference/inference_step.h"
#include "inference/metrics.h"

namespace convoy {

// The labels of the batch's samples.
inline std::span<const int> labels_of(const Batch& batch) {
  return {batch.labels.data(), static_cast<size_t>(batch.size)};
}

// Adds what became of each of the batch's samples. labels: their classes as the logits number them.
void append_outcomes(const Batch& batch, std::span<const float> logits, const Dataset& dataset,
                     std::span<const int> labels, std::vector<ImageOutcome>& outcomes);

// Marks the outcomes of the batch's samples, which are the last, where they are of images in `trained_on`.
void mark_trained_on(const Batch& batch, const Dataset& dataset, const ContentSet& trained_on,
                     std::vector<ImageOutcome>& outcomes);

// Hears of every batch and the logits {batch.size, classes} of its samples; false ends the pass.
using BatchVisitor = std::function<bool(const Batch& batch, std::span<const float> logits)>;

// The logits {count, classes} of `count` images {side, side, 3}, as many as `step` was planned for or fewer; with
// test-time augmentation, means.
void infer_images(InferenceStep& step, const float* images, int64_t count, int64_t classes, Tta tta,
                  std::vector<float>& logits);

// Passes the next epoch of `loader`, whose batches have the size that `step` was planned for, a short one filled up by
// what the memory happens to hold. Samples do not influence each other. False when the visitor ended it.
bool infer_epoch(InferenceStep& step, Loader& loader, int64_t classes, Tta tta, const BatchVisitor& visit);

// One of the views of an image whose logits are averaged.
struct TtaView {
  double weight = 1;
  bool mirrored = false;
  int shift = 0;  // the view's pixel (y, x) is the image's (y + shift, x + shift)
};

// Weights add up to 1.
std::vector<TtaView> views_of(Tta tta);

// Writes the view of each image {count, side, side, 3}; what lies beyond an image is its reflection. side > 1.
void copy_view(const float* images, int64_t count, int64_t side, const TtaView& view, float* out);

}  // namespace convoy
