#include "data/augment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "core/text.h"
#include "data/color.h"
#include "data/erase.h"
#include "data/random_crop.h"

namespace convoy {
namespace {

using Step = Augmentation::Step;

// In the order of the enumerators.
const std::vector<std::string> kStepNames{"crop", "hflip", "vflip", "rotate", "aa", "color-jitter", "erase"};

void require(bool holds, std::string_view field, std::string_view expected) {
  if (!holds) throw Error(fmt::format("{}: expected {}", field, expected));
}

void check(const Augmentation& augmentation, int image_size) {
  const auto ordered = [](std::array<double, 2> range) { return range[0] > 0 && range[0] <= range[1]; };
  const auto probability = [](double p) { return p >= 0 && p <= 1; };
  require(augmentation.crop_padding >= 0 && augmentation.crop_padding <= 16384, "crop padding", "0 to 16384 pixels");
  const bool reflects = augmentation.crop == TrainCrop::padded && augmentation.padding_mode == CropPaddingMode::reflect;
  require(!reflects || augmentation.crop_padding < image_size, "crop padding",
          fmt::format("less than the image size {} to reflect, got {}", image_size, augmentation.crop_padding));
  require(ordered(augmentation.crop_scale) && augmentation.crop_scale[1] <= 1, "crop scale", "0 < low <= high <= 1");
  require(ordered(augmentation.crop_ratio) && std::isfinite(augmentation.crop_ratio[1]), "crop ratio",
          "0 < low <= high");
  require(probability(augmentation.horizontal_flip), "horizontal flip", "a probability from 0 to 1");
  require(probability(augmentation.vertical_flip), "vertical flip", "a probability from 0 to 1");
  require(augmentation.rotation >= 0 && augmentation.rotation <= 180, "rotation", "0 to 180 degrees");
  require(probability(augmentation.brightness), "brightness", "a strength from 0 to 1");
  require(probability(augmentation.contrast), "contrast", "a strength from 0 to 1");
  require(probability(augmentation.saturation), "saturation", "a strength from 0 to 1");
  require(augmentation.hue >= 0 && augmentation.hue <= 0.5F, "hue", "a strength from 0 to 0.5");
  require(probability(augmentation.erasing), "erasing", "a probability from 0 to 1");
  require(augmentation.erase_count >= 1 && augmentation.erase_count <= 1000, "erased rectangles", "1 to 1000");
  require(augmentation.order.back() == Step::erase || augmentation.erasing == 0 ||
              augmentation.erase_mode == EraseMode::constant,
          "erase mode", "a constant colour where erasing is not the last step");
  require(augmentation.mixup_alpha >= 0 && std::isfinite(augmentation.mixup_alpha), "mixup", "0 or more");
  require(augmentation.cutmix_alpha >= 0 && std::isfinite(augmentation.cutmix_alpha), "cutmix", "0 or more");
  require(probability(augmentation.mix_probability), "mixing", "a probability from 0 to 1");
  require(probability(augmentation.mix_switch_probability), "switching to cutmix", "a probability from 0 to 1");
}

void flip_horizontally(Image& image) {
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* left = image.row(y);
    uint8_t* right = left + image.stride() - 3;
    for (; left < right; left += 3, right -= 3) std::swap_ranges(left, left + 3, right);
  }
}

void flip_vertically(Image& image) {
  for (int y = 0; y < image.height() / 2; ++y) {
    std::swap_ranges(image.row(y), image.row(y) + image.stride(), image.row(image.height() - 1 - y));
  }
}

void jitter_colors(Image& image, const Augmentation& augmentation, RandomStream random) {
  struct Change {
    float strength;
    void (*apply)(Image&, float);
  };
  std::array<Change, 4> changes{{{augmentation.brightness, change_brightness},
                                 {augmentation.contrast, change_contrast},
                                 {augmentation.saturation, change_saturation},
                                 {augmentation.hue, nullptr}}};
  for (uint32_t i = 4; i > 1; --i) std::swap(changes[i - 1], changes[random.below(i)]);
  for (const auto& [strength, apply] : changes) {
    if (strength <= 0) continue;
    if (apply == nullptr) {
      shift_hue(image, random.uniform(-strength, strength));
    } else {
      apply(image, random.uniform(std::max(0.0F, 1 - strength), 1 + strength));
    }
  }
}

std::array<uint8_t, 3> mean_color(const Preprocessing& preprocessing) {
  std::array<uint8_t, 3> color;
  std::ranges::transform(preprocessing.mean, color.begin(), [](float mean) {
    return static_cast<uint8_t>(std::clamp(std::nearbyint(255 * static_cast<double>(mean)), 0.0, 255.0));
  });
  return color;
}

}  // namespace

std::string to_string(const std::vector<Step>& order) {
  std::vector<std::string_view> names;
  for (const Step step : order) names.push_back(kStepNames[static_cast<size_t>(step)]);
  return fmt::format("{}", fmt::join(names, ","));
}

std::vector<Step> augmentation_order_from_string(std::string_view text) {
  std::vector<Step> order;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view name = text.substr(begin, end - begin);
    const auto found = std::ranges::find(kStepNames, name);
    if (found == kStepNames.end()) {
      throw UsageError(fmt::format("augment-order: {}", unknown_name("step", name, kStepNames)));
    }
    order.push_back(static_cast<Step>(found - kStepNames.begin()));
    begin = end + 1;
  }
  std::vector<Step> sorted = order;
  std::ranges::sort(sorted);
  if (order.size() != kStepNames.size() || std::ranges::adjacent_find(sorted) != sorted.end()) {
    throw UsageError(fmt::format("augment-order: expected each of {} once, got {}", fmt::join(kStepNames, ","), text));
  }
  return order;
}

Augmenter::Augmenter(const Preprocessing& preprocessing, Augmentation augmentation)
    : preprocessing_(preprocessing),
      augmentation_(std::move(augmentation)),
      normalizer_(preprocessing),
      warp_{preprocessing.interpolation, mean_color(preprocessing)} {
  check(preprocessing_);
  check(augmentation_, preprocessing_.image_size);
  if (!augmentation_.policy.empty()) policy_.emplace(augmentation_.policy);
  erases_last_ = augmentation_.order.back() == Step::erase;
  std::ranges::copy_if(augmentation_.order, std::back_inserter(steps_), [&](Step step) { return is_on(step); });
  if (erases_last_ && is_on(Step::erase)) steps_.pop_back();
  only_flips_ = augmentation_.crop != TrainCrop::padded && steps_.front() == Step::crop &&
                std::all_of(steps_.begin() + 1, steps_.end(),
                            [](Step step) { return step == Step::horizontal_flip || step == Step::vertical_flip; });
}

bool Augmenter::draw_horizontal_flip(const SampleKey& key) const {
  if (augmentation_.flip_mode == FlipMode::random) {
    return key.stream("flip").uniform() < augmentation_.horizontal_flip;
  }
  const bool at_first = RandomStream(key.seed, "flip", 0, key.index).uniform() < augmentation_.horizontal_flip;
  return is_on(Step::horizontal_flip) && at_first != (key.epoch % 2 == 1);
}

bool Augmenter::draw_vertical_flip(const SampleKey& key) const {
  return key.stream("vertical flip").uniform() < augmentation_.vertical_flip;
}

Image Augmenter::crop(const Resizer& resizer, ImageView part, const SampleKey& key) const {
  Image image = resizer(part);
  if (augmentation_.crop != TrainCrop::padded) return image;
  return shifted(image, augmentation_, key.stream("crop"));
}

bool Augmenter::is_on(Step step) const {
  switch (step) {
    case Step::crop: return true;
    case Step::horizontal_flip: return augmentation_.horizontal_flip > 0;
    case Step::vertical_flip: return augmentation_.vertical_flip > 0;
    case Step::rotate: return augmentation_.rotation > 0;
    case Step::policy: return policy_.has_value();
    case Step::color_jitter:
      return augmentation_.brightness > 0 || augmentation_.contrast > 0 || augmentation_.saturation > 0 ||
             augmentation_.hue > 0;
    case Step::erase: return augmentation_.erasing > 0;
  }
  return false;
}

void Augmenter::apply(Step step, const SampleKey& key, Image& image) const {
  switch (step) {
    case Step::crop: {
      const Resizer resizer = random_resizer(image.width(), image.height(), key);
      image = crop(resizer, image.view().crop(resizer.part()), key);
      break;
    }
    case Step::horizontal_flip:
      if (draw_horizontal_flip(key)) flip_horizontally(image);
      break;
    case Step::vertical_flip:
      if (draw_vertical_flip(key)) flip_vertically(image);
      break;
    case Step::rotate:
      image = rotate(image.view(), augmentation_.rotation * (2.0 * key.stream("rotate").uniform() - 1.0));
      break;
    case Step::policy: {
      RandomStream random = key.stream("policy");
      (*policy_)(image, warp_, random);
      break;
    }
    case Step::color_jitter: jitter_colors(image, augmentation_, key.stream("color")); break;
    case Step::erase: erase_pixels(image, augmentation_, key.stream("erase")); break;
  }
}

Image Augmenter::pixels_of(ImageView part, const std::optional<Resizer>& first_crop, const SampleKey& key) const {
  Image output = first_crop ? crop(*first_crop, part, key) : copy_of(part);
  for (size_t i = first_crop ? 1 : 0; i < steps_.size(); ++i) apply(steps_[i], key, output);
  return output;
}

Resizer Augmenter::random_resizer(int width, int height, const SampleKey& key) const {
  return crop_resizer(width, height, preprocessing_, augmentation_, key.stream("crop"));
}

std::optional<Resizer> Augmenter::first_crop(int width, int height, const SampleKey& key) const {
  if (steps_.front() != Step::crop) return std::nullopt;
  return random_resizer(width, height, key);
}

Image Augmenter::pixels(ImageView image, const SampleKey& key) const {
  const std::optional<Resizer> crop = first_crop(image.width, image.height, key);
  return pixels_of(crop ? image.crop(crop->part()) : image, crop, key);
}

void Augmenter::operator()(ImageView part, const std::optional<Resizer>& first_crop, const SampleKey& key,
                           ResizeScratch& scratch, float* output) const {
  const int size = preprocessing_.image_size;
  if (only_flips_) {
    const bool mirrored = draw_horizontal_flip(key), upside_down = draw_vertical_flip(key);
    (*first_crop)(part, scratch, [&](int y, const uint8_t* row) {
      const int64_t to = upside_down ? size - 1 - y : y;
      normalizer_.row(row, size, mirrored, output + to * size * 3);
    });
  } else {
    normalizer_(pixels_of(part, first_crop, key), output);
  }
  if (erases_last_ && is_on(Step::erase)) erase_values(output, size, augmentation_, key.stream("erase"));
}

}  // namespace convoy
