#include "data/recipe_images.h"

#include <fmt/format.h>

#include <algorithm>

#include "convoy/error.h"

namespace convoy {
namespace {

void set_color_jitter(const std::vector<double>& jitter, Augmentation& augmentation) {
  if (jitter.size() != 1 && jitter.size() != 3 && jitter.size() != 4) {
    throw UsageError(fmt::format("color-jitter: expected one, three or four numbers, got {}", jitter.size()));
  }
  const bool separate = jitter.size() > 1;
  augmentation.brightness = static_cast<float>(jitter[0]);
  augmentation.contrast = static_cast<float>(jitter[separate ? 1 : 0]);
  augmentation.saturation = static_cast<float>(jitter[separate ? 2 : 0]);
  if (jitter.size() < 4) return;
  if (jitter[3] > 0.5)
    throw UsageError(fmt::format("color-jitter: expected at most 0.5 for the hue, got {}", jitter[3]));
  augmentation.hue = static_cast<float>(jitter[3]);
}

}  // namespace

TrainVal open_run_data(const Recipe& recipe) {
  const bool skip = recipe.on_bad_image == OnBadImage::skip;
  TrainVal data = open_train_val(recipe.data, skip ? BadFolder::problem : BadFolder::error);
  if (!recipe.val.empty()) {
    const TrainVal other = open_val(recipe.val, skip ? BadFolder::problem : BadFolder::error_unless_empty);
    data.val = other.val;
    data.val_source = other.val_source;
    data.problems.insert(data.problems.end(), other.problems.begin(), other.problems.end());
  } else if (recipe.val_split > 0) {
    if (data.val != nullptr) {
      throw UsageError(fmt::format("val-split: expected 0, because {} has validation images of its own, got {}",
                                   recipe.data, recipe.val_split));
    }
    const TrainVal parts = split_off_val(data.train, recipe.val_split, static_cast<uint64_t>(recipe.seed));
    data.train = parts.train;
    data.val = parts.val;
    data.val_source = fmt::format("{} of {}", recipe.val_split, data.train_source);
  }
  if (data.val != nullptr) match_classes(data);
  return data;
}

Preprocessing preprocessing_of(const Recipe& recipe, int64_t image_size) {
  Preprocessing preprocessing;
  preprocessing.image_size = static_cast<int>(image_size);
  preprocessing.resize_mode = recipe.resize_mode;
  preprocessing.crop_pct = recipe.crop_pct;
  preprocessing.interpolation = recipe.interpolation;
  std::ranges::transform(recipe.mean, preprocessing.mean.begin(), [](double x) { return static_cast<float>(x); });
  std::ranges::transform(recipe.std, preprocessing.std.begin(), [](double x) { return static_cast<float>(x); });
  return preprocessing;
}

Augmentation augmentation_of(const Recipe& recipe) {
  Augmentation augmentation;
  augmentation.crop = recipe.train_crop;
  augmentation.crop_padding = static_cast<int>(recipe.crop_padding);
  augmentation.padding_mode = recipe.crop_padding_mode;
  augmentation.crop_scale = recipe.scale;
  augmentation.crop_ratio = recipe.ratio;
  augmentation.horizontal_flip = static_cast<float>(recipe.hflip);
  augmentation.flip_mode = recipe.hflip_mode;
  augmentation.vertical_flip = static_cast<float>(recipe.vflip);
  augmentation.rotation = recipe.rotate;
  augmentation.policy = recipe.aa;
  set_color_jitter(recipe.color_jitter, augmentation);
  augmentation.erasing = static_cast<float>(recipe.reprob);
  augmentation.erase_mode = recipe.remode;
  augmentation.erase_count = static_cast<int>(recipe.recount);
  augmentation.order = augmentation_order_from_string(recipe.augment_order);
  if (augmentation.order.back() != Augmentation::Step::erase && recipe.reprob > 0 &&
      recipe.remode != EraseMode::constant) {
    throw UsageError("remode: expected const, because augment-order has erase before its end");
  }
  augmentation.mixup_alpha = recipe.mixup;
  augmentation.cutmix_alpha = recipe.cutmix;
  augmentation.mix_probability = recipe.mixup_prob;
  augmentation.mix_switch_probability = recipe.mixup_switch_prob;
  augmentation.mix_mode = recipe.mixup_mode;
  augmentation.mix_off_epoch = recipe.mixup_off_epoch;
  return augmentation;
}

}  // namespace convoy
