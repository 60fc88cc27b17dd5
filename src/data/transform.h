// From decoded pixels to the floats that a network reads.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/random.h"
#include "data/image.h"
#include "data/resize.h"

namespace convoy {

enum class ResizeMode {
  crop,   // the shorter side to image_size / crop_pct, then the centre image_size x image_size (torchvision, timm)
  squash  // both sides to image_size, whatever the shape
};

std::string_view to_string(ResizeMode mode);
// nullopt for an unknown word.
std::optional<ResizeMode> resize_mode_from_string(std::string_view word);

// How an image becomes network input; training, evaluation and prediction share it, and the model file carries it.
struct Preprocessing {
  int image_size = 224;
  ResizeMode resize_mode = ResizeMode::crop;
  double crop_pct = 0.875;
  Interpolation interpolation = Interpolation::bilinear;
  // Of red, green, blue scaled to [0, 1]; ImageNet's unless told otherwise.
  std::array<float, 3> mean{0.485F, 0.456F, 0.406F};
  std::array<float, 3> std{0.229F, 0.224F, 0.225F};

  friend bool operator==(const Preprocessing&, const Preprocessing&) = default;
};

// Throws Error that names the field when one is out of range.
void check(const Preprocessing& preprocessing);

// Random changes of a training image, applied in the order of the fields.
struct Augmentation {
  enum class Crop {
    none,    // as in evaluation
    padded,  // resized to image_size, crop_padding pixels put on every side, image_size cut out anywhere
    resized  // a part of random area and shape, resized to image_size (torchvision's RandomResizedCrop)
  };
  Crop crop = Crop::none;
  int crop_padding = 4;
  enum class PaddingMode {
    zero,    // black
    reflect  // the image mirrored at its border pixels, which are not repeated
  };
  PaddingMode padding_mode = PaddingMode::zero;
  std::array<double, 2> crop_scale{0.08, 1.0};             // share of the area
  std::array<double, 2> crop_ratio{3.0 / 4.0, 4.0 / 3.0};  // width over height
  float horizontal_flip = 0;                               // probability
  enum class FlipMode {
    random,    // every time anew
    alternate  // drawn once for each sample, then mirrored in every second epoch (arXiv 2404.00498)
  };
  FlipMode flip_mode = FlipMode::random;  // of the horizontal flip
  float vertical_flip = 0;                // probability
  double rotation = 0;                    // degrees, drawn from [-rotation, rotation]; corners turn black
  // Drawn from [1 - x, 1 + x], applied in random order (torchvision's ColorJitter).
  float brightness = 0;
  float contrast = 0;
  float saturation = 0;
  // Probability that a rectangle becomes the mean colour (Random Erasing, arXiv 1708.04896).
  float erasing = 0;
  // Parameters of the Beta distributions of MixUp and CutMix; 0: off. mix.h has the method.
  double mixup_alpha = 0;
  double cutmix_alpha = 0;

  friend bool operator==(const Augmentation&, const Augmentation&) = default;
};

// Throws Error that names the field when one is out of range for images of that size.
void check(const Augmentation& augmentation, int image_size);

// A sample in an epoch of a run: all that its random choices depend on.
struct SampleKey {
  uint64_t seed = 0;
  uint64_t epoch = 0;
  uint64_t index = 0;

  RandomStream stream(std::string_view purpose) const { return {seed, purpose, epoch, index}; }
};

// The image_size x image_size pixels that evaluation sees.
// Equals torchvision's Resize(floor(image_size / crop_pct)) + CenterCrop(image_size), or Resize((image_size,
// image_size)).
Image prepare(ImageView image, const Preprocessing& preprocessing);

// The image_size x image_size pixels that training sees, erasing and mixing left out; a pure function of its arguments.
Image augment(ImageView image, const Preprocessing& preprocessing, const Augmentation& augmentation,
              const SampleKey& key);

// Random erasing of a normalised image {side, side, 3}, as torchvision's and timm's: 2 to 33 % of the area, sides in a
// ratio of 0.3 to 3.3, becomes 0.
void erase(float* image, int side, const Augmentation& augmentation, const SampleKey& key);

// Turns pixels into (pixel / 255 - mean) / std, rounded as torchvision's ToTensor + Normalize.
class Normalizer {
 public:
  explicit Normalizer(const Preprocessing& preprocessing);
  // output: {height, width, 3}, dense.
  void operator()(const Image& image, float* output) const;

 private:
  std::array<std::array<float, 256>, 3> table_;
};

}  // namespace convoy
