// Affine warps of an image, as Pillow computes them, pixel for pixel.
#pragma once

#include <array>
#include <cstdint>

#include "data/image.h"
#include "data/resize.h"

namespace convoy {

struct Warp {
  // Between the pixels of the input; box is taken as nearest.
  Interpolation interpolation = Interpolation::nearest;
  // What shows where the input has no pixel.
  std::array<uint8_t, 3> fill{0, 0, 0};
};

// Image.transform(size, AFFINE, (a, b, c, d, e, f)): the output's point (x, y) shows the input's
// (a x + b y + c, d x + e y + f).
Image affine(ImageView input, const std::array<double, 6>& matrix, const Warp& warp = {});

// Image.rotate(degrees): counter-clockwise about the centre, the size kept.
Image rotate(ImageView input, double degrees, const Warp& warp = {});

}  // namespace convoy
