#include "data/rotate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace convoy {
namespace {

// 16.16 fixed point, as Pillow's affine_fixed computes coordinates.
int to_fixed(double value) { return static_cast<int>(std::floor(value * 65536.0 + 0.5)); }

double round_to_15_digits(double value) { return std::nearbyint(value * 1e15) / 1e15; }

}  // namespace

Image rotate(ImageView input, double degrees) {
  const double angle = -degrees * std::numbers::pi / 180.0;
  const double cosine = round_to_15_digits(std::cos(angle)), sine = round_to_15_digits(std::sin(angle));
  const double center_x = input.width / 2.0, center_y = input.height / 2.0;
  // Input coordinate of an output pixel's centre (x + 0.5, y + 0.5): a rotation about the centre.
  const double offset_x = center_x - cosine * center_x - sine * center_y;
  const double offset_y = center_y + sine * center_x - cosine * center_y;
  const int step_xx = to_fixed(cosine), step_xy = to_fixed(sine);
  const int step_yx = to_fixed(-sine), step_yy = to_fixed(cosine);
  int row_x = to_fixed(offset_x + cosine * 0.5 + sine * 0.5);
  int row_y = to_fixed(offset_y - sine * 0.5 + cosine * 0.5);
  Image output(input.width, input.height);
  for (int y = 0; y < input.height; ++y, row_x += step_xy, row_y += step_yy) {
    uint8_t* out = output.row(y);
    int in_x = row_x, in_y = row_y;
    for (int x = 0; x < input.width; ++x, out += 3, in_x += step_xx, in_y += step_yx) {
      const int from_x = in_x >> 16, from_y = in_y >> 16;
      if (from_x >= 0 && from_x < input.width && from_y >= 0 && from_y < input.height) {
        std::copy_n(input.row(from_y) + ptrdiff_t{3} * from_x, 3, out);
      } else {
        std::fill_n(out, 3, uint8_t{0});
      }
    }
  }
  return output;
}

}  // namespace convoy
