#include "inference/evaluation.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"

namespace convoy {
namespace {

constexpr int64_t kChannels = 3;

// torch's padding mode "reflect": ... 2 1 | 0 1 2 ... n-1 | n-2 n-3 ...
int64_t reflect(int64_t i, int64_t n) {
  if (i < 0) return -i;
  return i < n ? i : 2 * (n - 1) - i;
}

}  // namespace

std::vector<TtaView> views_of(Tta tta) {
  if (tta == Tta::none) return {{}};
  if (tta == Tta::hflip) return {{.weight = 0.5}, {.weight = 0.5, .mirrored = true}};
  std::vector<TtaView> views;
  for (const int shift : {0, -1, 1}) {
    for (const bool mirrored : {false, true}) {
      views.push_back({.weight = shift == 0 ? 0.25 : 0.125, .mirrored = mirrored, .shift = shift});
    }
  }
  return views;
}

void copy_view(const float* images, int64_t count, int64_t side, const TtaView& view, float* out) {
  parallel_for(count * side, [&](int64_t row, int) {
    const int64_t from_row = row / side * side + reflect(row % side + view.shift, side);
    const float* from = images + from_row * side * kChannels;
    float* to = out + row * side * kChannels;
    if (!view.mirrored && view.shift == 0) {
      std::copy_n(from, side * kChannels, to);
      return;
    }
    for (int64_t x = 0; x < side; ++x) {
      const int64_t seen = reflect((view.mirrored ? side - 1 - x : x) + view.shift, side);
      std::copy_n(from + seen * kChannels, kChannels, to + x * kChannels);
    }
  });
}

void append_outcomes(const Batch& batch, std::span<const float> logits, const Dataset& dataset,
                     std::span<const int> labels, std::vector<ImageOutcome>& outcomes) {
  if (labels.empty()) return;
  const size_t classes = logits.size() / labels.size();
  for (size_t i = 0; i < labels.size(); ++i) {
    outcomes.push_back(outcome_of(dataset.name(batch.indices[i]), logits.subspan(i * classes, classes), labels[i]));
  }
}

void mark_trained_on(const Batch& batch, const Dataset& dataset, const ContentSet& trained_on,
                     std::vector<ImageOutcome>& outcomes) {
  const size_t first = outcomes.size() - static_cast<size_t>(batch.size);
  for (size_t i = 0; i < static_cast<size_t>(batch.size); ++i) {
    outcomes[first + i].trained_on = trained_on.contains(content_of(dataset, batch.indices[i]));
  }
}

void infer_images(InferenceStep& step, const float* images, int64_t count, int64_t classes, Tta tta,
                  std::vector<float>& logits) {
  const auto numbers = static_cast<size_t>(count * classes);
  logits.assign(numbers, 0);
  for (const TtaView& view : views_of(tta)) {
    copy_view(images, count, step.image_size(), view, step.images());
    step.run();
    for (size_t k = 0; k < numbers; ++k) logits[k] += static_cast<float>(view.weight) * step.logits()[k];
  }
}

bool infer_epoch(InferenceStep& step, Loader& loader, int64_t classes, Tta tta, const BatchVisitor& visit) {
  std::vector<float> logits;
  for (int64_t i = 0; i < loader.steps_per_epoch(); ++i) {
    const Batch& batch = loader.next();
    infer_images(step, batch.images.floats(), batch.size, classes, tta, logits);
    if (!visit(batch, logits)) return false;
  }
  return true;
}

}  // namespace convoy
