#include "train/evaluation.h"

#include <algorithm>

namespace convoy {

bool infer_epoch(InferenceStep& step, Loader& loader, int64_t classes, const BatchVisitor& visit) {
  for (int64_t i = 0; i < loader.steps_per_epoch(); ++i) {
    const Batch& batch = loader.next();
    std::copy_n(batch.images.floats(), batch.images.size() / sizeof(float), step.images());
    step.run();
    if (!visit(batch, {step.logits(), static_cast<size_t>(batch.size * classes)})) return false;
  }
  return true;
}

Evaluation evaluation_of(const ClassificationSums& sums) {
  return {.images = sums.samples, .loss = sums.mean_loss(), .top1 = sums.top1_share(), .top5 = sums.top5_share()};
}

}  // namespace convoy
