#include "train/stages.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <string_view>

namespace convoy {
namespace {

// The number behind the setting "-m" of a RandAugment policy, which without has a magnitude of 10.
double magnitude_of(std::string_view policy) {
  for (size_t at = policy.find("-m"); at != std::string_view::npos; at = policy.find("-m", at + 1)) {
    double magnitude = 0;
    if (std::from_chars(policy.data() + at + 2, policy.data() + policy.size(), magnitude).ec == std::errc{}) {
      return magnitude;
    }
  }
  return 10;
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
                .aa = recipe.aa};
    if (recipe.progressive_drop) stage.drop = between(*recipe.progressive_drop, *recipe.drop);
    if (recipe.progressive_magnitude) {
      // Of two settings of the same name the latter counts.
      stage.aa += fmt::format("-m{:.3f}", between(*recipe.progressive_magnitude, magnitude_of(recipe.aa)));
    }
    stages.push_back(stage);
  }
  return stages;
}

size_t stage_at(const std::vector<Stage>& stages, int64_t epoch) {
  size_t at = 0;
  while (at + 1 < stages.size() && epoch >= stages[at].end_epoch) ++at;
  return at;
}

}  // namespace convoy
