// The image changes that automatic augmentation draws from.
#pragma once

#include <cstdint>

#include "data/affine.h"
#include "data/image.h"

namespace convoy {

enum class ImageOp : uint8_t {
  identity,
  shear_x,       // argument: columns that a row moves by, over its height
  shear_y,       // argument: rows that a column moves by, over its place
  translate_x,   // argument: pixels to the left
  translate_y,   // argument: pixels upwards
  rotate,        // argument: degrees counter-clockwise
  brightness,    // argument: factor, as those of color.h
  color,         // argument: factor
  contrast,      // argument: factor
  sharpness,     // argument: factor
  posterize,     // argument: bits that stay
  solarize,      // argument: threshold
  solarize_add,  // argument: what is added to dark values
  auto_contrast,
  equalize,
  invert
};

struct ImageStep {
  ImageOp op = ImageOp::identity;
  double argument = 0;

  friend bool operator==(const ImageStep&, const ImageStep&) = default;
};

// As Pillow computes it, pixel for pixel. warp: of the ops that move pixels.
void apply(const ImageStep& step, const Warp& warp, Image& image);

}  // namespace convoy
