// Pillow 13's antialiased resampling, bit for bit.
#pragma once

#include <functional>
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

// Weights of a pass over the input positions [begin, end); kernels/resample.h says how they are stored.
struct ResizeTaps {
  int begin = 0;
  int end = 0;
  size_t capacity = 0;
  std::vector<int32_t> first;
  std::vector<int32_t> count;
  std::vector<int32_t> weights;
};

// Memory for the passes, kept from one image to the next.
struct ResizeScratch {
  Image first, second;
};

// The rectangle of `window` out of Image.resize((full_width, full_height), resample=interpolation), without computing
// the rest. The rectangle lies inside the full image and is not empty.
// Method: Resample.c of Pillow 13, a separable filter stretched by the reduction, 22-bit fixed-point weights, two
// passes rounded to 8 bits; which one goes first depends on the shapes.
class Resizer {
 public:
  // For the pixels of `source`, a rectangle of an image, as if it were the whole.
  Resizer(const Rectangle& source, const ResizeWindow& window, Interpolation interpolation);

  // Of the image, what is read.
  const Rectangle& part() const { return part_; }

  // part: those pixels. Calls take(y, row) for every row from the top; the row's RGB pixels are valid during the call.
  using TakeRow = std::function<void(int y, const uint8_t* row)>;
  void operator()(ImageView part, ResizeScratch& scratch, const TakeRow& take) const;
  Image operator()(ImageView part) const;

 private:
  int width_, height_;
  Rectangle part_;
  // No first position: the direction keeps its size.
  ResizeTaps columns_, rows_;
  bool vertical_first_ = false;
  bool nearest_ = false;  // columns_.first and rows_.first are where each pixel comes from
};

// `window` of the image.
Image resize(ImageView input, const ResizeWindow& window, Interpolation interpolation);

// Image.resize((width, height), resample=interpolation).
inline Image resize(ImageView input, int width, int height, Interpolation interpolation) {
  return resize(input, {width, height, 0, 0, width, height}, interpolation);
}

}  // namespace convoy
