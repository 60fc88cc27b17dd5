// What makes a recipe one that cannot be followed.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "convoy/error.h"
#include "convoy/recipe.h"
#include "data/recipe_images.h"
#include "train/optimizer_options.h"
#include "train/schedule.h"

namespace convoy {
namespace {

void check_ranges(const Recipe& recipe) {
  Recipe copy = recipe;
  for (const RecipeField& field : recipe_fields()) {
    if (const auto text = field.get(recipe)) set_field(copy, field, *text, field.name);
  }
}

void check_schedule(const Recipe& recipe) {
  const ScheduleKind& kind = find_schedule(recipe.sched);
  if (kind.own_ends.empty()) return;
  for (const auto& [name, value] :
       {std::pair("warmup-epochs", recipe.warmup_epochs.value_or(0)), std::pair("min-lr", recipe.min_lr)}) {
    if (value == 0) continue;
    throw UsageError(fmt::format("{}: expected 0 beside sched {}, which has {} for that, got {}", name, kind.name,
                                 kind.own_ends, value));
  }
}

void check_progressive(const Recipe& recipe) {
  constexpr std::string_view kStarts[] = {"progressive-img-size", "progressive-drop", "progressive-mixup",
                                          "progressive-magnitude"};
  bool any = false;
  for (const std::string_view name : kStarts) {
    const auto text = find_recipe_field(name).get(recipe);
    any = any || text;
    if (text && recipe.progressive_stages == 1) {
      throw UsageError(fmt::format("{}: expected none without progressive-stages, got {}", name, *text));
    }
  }
  if (recipe.progressive_stages == 1) return;
  if (!any) {
    throw UsageError(fmt::format("progressive-stages: {} stages of what? Give one of {}", recipe.progressive_stages,
                                 fmt::join(kStarts, ", ")));
  }
  if (recipe.progressive_drop && !recipe.drop) {
    throw UsageError(fmt::format("progressive-drop: expected drop, too, which it grows to, got {} and no drop",
                                 *recipe.progressive_drop));
  }
  if (recipe.progressive_magnitude && recipe.aa != "rand" && !recipe.aa.starts_with("rand-")) {
    throw UsageError(
        fmt::format("progressive-magnitude: expected aa to be RandAugment, such as rand-m9, got '{}'", recipe.aa));
  }
  if (recipe.img_size && recipe.progressive_img_size.value_or(0) > *recipe.img_size) {
    throw UsageError(fmt::format("progressive-img-size: expected at most img-size, which is {}, got {}",
                                 *recipe.img_size, *recipe.progressive_img_size));
  }
  if (recipe.progressive_stages > recipe.epochs) {
    throw UsageError(fmt::format("progressive-stages: expected at most the {} epochs, got {}", recipe.epochs,
                                 recipe.progressive_stages));
  }
}

void check_freeze(const Recipe& recipe) {
  if (recipe.unfreeze_after == 0) return;
  if (recipe.freeze.empty()) {
    throw UsageError(fmt::format("unfreeze-after: expected freeze, too, which it ends, got {} and nothing frozen",
                                 recipe.unfreeze_after));
  }
  if (recipe.unfreeze_after >= recipe.epochs) {
    throw UsageError(
        fmt::format("unfreeze-after: expected fewer than the {} epochs, got {}; leave it out to freeze "
                    "for the whole run",
                    recipe.epochs, recipe.unfreeze_after));
  }
}

}  // namespace

void check(const Recipe& recipe) {
  check_ranges(recipe);
  if (recipe.data.empty()) throw UsageError("data: expected the folder of the images, got none");
  if (recipe.model.empty()) throw UsageError("model: expected the name of a network, got none");
  if (!recipe.val.empty() && recipe.val_split > 0) {
    throw UsageError("val-split: expected 0 beside a folder for validation, got " +
                     fmt::format("{}", recipe.val_split));
  }
  for (const auto& [name, pair] : {std::pair("scale", recipe.scale), std::pair("ratio", recipe.ratio)}) {
    if (pair[0] > pair[1]) {
      throw UsageError(fmt::format("{}: expected the smaller number first, got {},{}", name, pair[0], pair[1]));
    }
  }
  if (recipe.experiment.find('/') != std::string::npos || recipe.experiment == "." || recipe.experiment == "..") {
    throw UsageError(fmt::format("experiment: expected the name of a folder, got '{}'", recipe.experiment));
  }
  const Augmentation augmentation = augmentation_of(recipe);
  if (!augmentation.policy.empty()) AutoAugment{augmentation.policy};
  check_optimizer(recipe);
  check_schedule(recipe);
  check_progressive(recipe);
  check_freeze(recipe);
}

}  // namespace convoy
