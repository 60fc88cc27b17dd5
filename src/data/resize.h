// Pillow 13's antialiased resampling, bit for bit.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "convoy/image_options.h"
#include "data/image.h"

namespace convoy {

std::string_view to_string(Interpolation interpolation);
// nullopt for an unknown word.
std::optional<Interpolation> interpolation_from_string(std::string_view word);

// Part of an image that is only thought of: `full_width` x `full_height` pixels, of which the rectangle is wanted.
struct ResizeWindow {
  int64_t full_width = 0;
  int64_t full_height = 0;
  int64_t left = 0;
  int64_t top = 0;
  int width = 0;
  int height = 0;
};

// Where the output positions [begin, begin + count) have their centres in the input: offset + (i + 0.5) * scale, summed
// up step by step, whose rounding decides which pixel is the nearest to Pillow.
std::vector<double> scaled_centres(int64_t begin, int count, double scale, double offset = 0);

// The rectangle of `window` out of Image.resize((full_width, full_height), resample=interpolation), without computing
// the rest. The rectangle lies inside the full image and is not empty.
// Method: Resample.c of Pillow 13, a separable filter stretched by the reduction, 22-bit fixed-point weights, two
// passes rounded to 8 bits; which one goes first depends on the shapes.
Image resize(ImageView input, const ResizeWindow& window, Interpolation interpolation);

// Image.resize((width, height), resample=interpolation).
inline Image resize(ImageView input, int width, int height, Interpolation interpolation) {
  return resize(input, {width, height, 0, 0, width, height}, interpolation);
}

}  // namespace convoy
