// What training images go through: random, and a pure function of run, epoch and sample.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/image_options.h"
#include "core/random.h"
#include "data/auto_augment.h"
#include "data/image.h"
#include "data/transform.h"

namespace convoy {

struct Augmentation {
  enum class Step : uint8_t { crop, horizontal_flip, vertical_flip, rotate, policy, color_jitter, erase };

  TrainCrop crop = TrainCrop::none;
  int crop_padding = 4;
  CropPaddingMode padding_mode = CropPaddingMode::zero;
  std::array<double, 2> crop_scale{0.08, 1.0};             // share of the area
  std::array<double, 2> crop_ratio{3.0 / 4.0, 4.0 / 3.0};  // width over height
  float horizontal_flip = 0;                               // probability
  FlipMode flip_mode = FlipMode::random;                   // of the horizontal flip
  float vertical_flip = 0;                                 // probability
  double rotation = 0;                                     // degrees, drawn from [-rotation, rotation]
  std::string policy;                                      // of auto_augment.h; empty: none
  // Drawn from [1 - x, 1 + x], the hue's shift from [-hue, hue]; applied in random order (torchvision's ColorJitter).
  float brightness = 0;
  float contrast = 0;
  float saturation = 0;
  float hue = 0;
  // Probability that up to erase_count rectangles are erased (Random Erasing, arXiv 1708.04896).
  float erasing = 0;
  EraseMode erase_mode = EraseMode::constant;
  int erase_count = 1;
  // All steps, in the order in which those happen that are asked for. Erasing that is not last works on pixels, which
  // become black.
  std::vector<Step> order{Step::crop,   Step::horizontal_flip, Step::vertical_flip, Step::rotate,
                          Step::policy, Step::color_jitter,    Step::erase};

  // Parameters of the Beta distributions of MixUp and CutMix; 0: off. mix.h has the method.
  double mixup_alpha = 0;
  double cutmix_alpha = 0;
  double mix_probability = 1;
  double mix_switch_probability = 0.5;  // of CutMix where both are on
  MixMode mix_mode = MixMode::batch;
  int64_t mix_off_epoch = 0;  // from which nothing is mixed; 0: never

  friend bool operator==(const Augmentation&, const Augmentation&) = default;
};

// "crop,hflip,vflip,rotate,aa,color-jitter,erase", and the reverse. Throws UsageError unless every step is there once.
std::string to_string(const std::vector<Augmentation::Step>& order);
std::vector<Augmentation::Step> augmentation_order_from_string(std::string_view text);

// A sample in an epoch of a run: all that its random choices depend on.
struct SampleKey {
  uint64_t seed = 0;
  uint64_t epoch = 0;
  uint64_t index = 0;

  RandomStream stream(std::string_view purpose) const { return {seed, purpose, epoch, index}; }
};

// Augments the samples of a run; may be called from several threads at once.
class Augmenter {
 public:
  // Throws Error that names the field when one is out of range.
  Augmenter(const Preprocessing& preprocessing, Augmentation augmentation);

  // How the sample, an image of that size, is cropped and resized; nullopt: not first, but after other steps, which
  // need the whole image.
  std::optional<Resizer> first_crop(int width, int height, const SampleKey& key) const;

  // What the network reads, unmixed: {image_size, image_size, 3}. part: the pixels of first_crop's part(), or the whole
  // image without one.
  void operator()(ImageView part, const std::optional<Resizer>& first_crop, const SampleKey& key,
                  ResizeScratch& scratch, float* output) const;

  // The image_size x image_size pixels of a whole image before normalisation; erasing that comes last is left out.
  Image pixels(ImageView image, const SampleKey& key) const;

 private:
  bool is_on(Augmentation::Step step) const;
  bool draw_horizontal_flip(const SampleKey& key) const;
  bool draw_vertical_flip(const SampleKey& key) const;
  Resizer random_resizer(int width, int height, const SampleKey& key) const;
  Image crop(const Resizer& resizer, ImageView part, const SampleKey& key) const;
  void apply(Augmentation::Step step, const SampleKey& key, Image& image) const;
  Image pixels_of(ImageView part, const std::optional<Resizer>& first_crop, const SampleKey& key) const;

  Preprocessing preprocessing_;
  Augmentation augmentation_;
  Normalizer normalizer_;
  std::optional<AutoAugment> policy_;
  Warp warp_;
  std::vector<Augmentation::Step> steps_;  // on pixels
  bool erases_last_ = false;
  bool only_flips_ = false;  // what steps_ does after a crop that is first and not padded
};

}  // namespace convoy
