// From decoded pixels to the floats that a network reads.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "convoy/image_options.h"
#include "data/image.h"
#include "data/resize.h"

namespace convoy {

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

// How an image of that size becomes the image_size x image_size pixels that evaluation sees.
Resizer evaluation_resizer(int width, int height, const Preprocessing& preprocessing);

// Those pixels.
// Equals torchvision's Resize(floor(image_size / crop_pct)) + CenterCrop(image_size), or Resize((image_size,
// image_size)).
Image prepare(ImageView image, const Preprocessing& preprocessing);

// Turns pixels into (pixel / 255 - mean) / std, rounded as torchvision's ToTensor + Normalize.
class Normalizer {
 public:
  explicit Normalizer(const Preprocessing& preprocessing);
  // output: {height, width, 3}, dense.
  void operator()(const Image& image, float* output) const;
  // output: {width, 3}; mirrored: from right to left.
  void row(const uint8_t* pixels, int width, bool mirrored, float* output) const;

 private:
  std::array<std::array<float, 256>, 3> table_;
};

}  // namespace convoy
