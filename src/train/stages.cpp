#include "train/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/auto_augment.h"

namespace convoy {
namespace {

void unfreeze(std::vector<Stage>& stages, int64_t epoch) {
  auto at = stages.begin();
  while (at->end_epoch < epoch) ++at;
  if (at->end_epoch > epoch) {
    at = stages.insert(at, *at);
    at->end_epoch = epoch;
  }
  while (++at != stages.end()) at->frozen = false;
}

}  // namespace

std::vector<Stage> stages_of(const Recipe& recipe) {
  const int64_t count = recipe.progressive_stages, last_size = *recipe.img_size;
  const auto first_size = static_cast<double>(recipe.progressive_img_size.value_or(last_size));
  std::vector<Stage> stages;
  for (int64_t i = 0; i < count; ++i) {
    const double share = count == 1 ? 1 : static_cast<double>(i) / static_cast<double>(count - 1);
    const auto between = [share](double first, double last) { return first + (last - first) * share; };
    Stage stage{.end_epoch = (i + 1) * recipe.epochs / count,
                .image_size = std::lround(between(first_size, static_cast<double>(last_size))),
                .drop = recipe.drop,
                .mixup = between(recipe.progressive_mixup.value_or(recipe.mixup), recipe.mixup),
                .aa = recipe.aa,
                .frozen = !recipe.freeze.empty()};
    if (recipe.progressive_drop) stage.drop = between(*recipe.progressive_drop, *recipe.drop);
    if (recipe.progressive_magnitude) {
      // Of two settings of the same name the latter counts.
      stage.aa += fmt::format("-m{:.3f}", between(*recipe.progressive_magnitude, AutoAugment(recipe.aa).magnitude()));
    }
    stages.push_back(stage);
  }
  if (recipe.unfreeze_after > 0) unfreeze(stages, recipe.unfreeze_after);
  return stages;
}

size_t stage_at(const std::vector<Stage>& stages, int64_t epoch) {
  size_t at = 0;
  while (at + 1 < stages.size() && epoch >= stages[at].end_epoch) ++at;
  return at;
}

double later_epochs(const std::vector<Stage>& stages, int64_t epoch, double run_epochs) {
  const auto side = static_cast<double>(stages[stage_at(stages, epoch)].image_size);
  auto next = static_cast<double>(epoch + 1);
  double later = 0;
  for (const Stage& stage : stages) {
    const double count = std::max(0.0, std::min(static_cast<double>(stage.end_epoch), run_epochs) - next);
    later += count * std::pow(static_cast<double>(stage.image_size) / side, 2);
    next += count;
  }
  return later;
}

}  // namespace convoy
