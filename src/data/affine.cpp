#include "data/affine.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace convoy {
namespace {

// 16.16 fixed point, as Pillow's affine_fixed computes coordinates.
int64_t to_fixed(double value) { return static_cast<int64_t>(std::floor(value * 65536.0 + 0.5)); }

void store(const uint8_t* pixel, uint8_t* out) { std::copy_n(pixel, 3, out); }

// Input positions of the output pixels' centres in a row or column; -1 outside.
std::vector<int> scaled_positions(int outputs, int inputs, double scale, double offset) {
  std::vector<int> positions;
  for (const double centre : scaled_centres(0, outputs, scale, offset)) {
    positions.push_back(centre >= 0 && centre < inputs ? static_cast<int>(centre) : -1);
  }
  return positions;
}

// Pillow's ImagingScaleAffine: neither rows nor columns mix.
void scale_nearest(ImageView input, const std::array<double, 6>& m, Image& output) {
  const std::vector<int> columns = scaled_positions(output.width(), input.width, m[0], m[2]);
  const std::vector<int> rows = scaled_positions(output.height(), input.height, m[4], m[5]);
  for (int y = 0; y < output.height(); ++y) {
    const int from_y = rows[static_cast<size_t>(y)];
    if (from_y < 0) continue;
    for (int x = 0; x < output.width(); ++x) {
      const int from_x = columns[static_cast<size_t>(x)];
      if (from_x >= 0) store(input.row(from_y) + ptrdiff_t{3} * from_x, output.row(y) + ptrdiff_t{3} * x);
    }
  }
}

// Pillow's affine_fixed.
void warp_nearest(ImageView input, const std::array<double, 6>& m, Image& output) {
  const int64_t step_xx = to_fixed(m[0]), step_xy = to_fixed(m[1]), step_yx = to_fixed(m[3]), step_yy = to_fixed(m[4]);
  int64_t row_x = to_fixed(m[2] + m[0] * 0.5 + m[1] * 0.5), row_y = to_fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
  for (int y = 0; y < output.height(); ++y, row_x += step_xy, row_y += step_yy) {
    uint8_t* out = output.row(y);
    int64_t in_x = row_x, in_y = row_y;
    for (int x = 0; x < output.width(); ++x, out += 3, in_x += step_xx, in_y += step_yx) {
      const auto from_x = static_cast<int>(in_x >> 16), from_y = static_cast<int>(in_y >> 16);
      if (from_x >= 0 && from_x < input.width && from_y >= 0 && from_y < input.height) {
        store(input.row(from_y) + ptrdiff_t{3} * from_x, out);
      }
    }
  }
}

// The cubic through four neighbours, at `d` between the second and the third.
double cubic(const std::array<double, 4>& v, double d) {
  const double p2 = -v[0] + v[2], p3 = 2 * (v[0] - v[1]) + v[2] - v[3], p4 = -v[0] + v[1] - v[2] + v[3];
  return v[1] + d * (p2 + d * (p3 + d * p4));
}

// Pillow's bilinear_filter32RGB (2 taps) and bicubic_filter32RGB (4 taps): columns beyond the border repeat it, a row
// below it repeats the result of the row above.
template <int taps>
void warp_smooth(ImageView input, const std::array<double, 6>& m, Image& output) {
  constexpr int kBefore = taps / 2 - 1;
  const auto mix = [](const std::array<double, taps>& v, double d) {
    if constexpr (taps == 2) return v[0] + (v[1] - v[0]) * d;
    if constexpr (taps == 4) return cubic(v, d);
  };
  for (int y = 0; y < output.height(); ++y) {
    uint8_t* out = output.row(y);
    for (int x = 0; x < output.width(); ++x, out += 3) {
      double in_x = m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2];
      double in_y = m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5];
      if (!(in_x >= 0 && in_x < input.width && in_y >= 0 && in_y < input.height)) continue;
      in_x -= 0.5;
      in_y -= 0.5;
      const int left = static_cast<int>(std::floor(in_x)), top = static_cast<int>(std::floor(in_y));
      const double dx = in_x - left, dy = in_y - top;
      std::array<ptrdiff_t, taps> columns;
      for (int tap = 0; tap < taps; ++tap) {
        columns[static_cast<size_t>(tap)] = ptrdiff_t{3} * std::clamp(left - kBefore + tap, 0, input.width - 1);
      }
      for (int channel = 0; channel < 3; ++channel) {
        std::array<double, taps> down;
        for (int tap = 0; tap < taps; ++tap) {
          const int row = top - kBefore + tap;
          if (tap > 0 && (row < 0 || row >= input.height)) {
            down[static_cast<size_t>(tap)] = down[static_cast<size_t>(tap - 1)];
            continue;
          }
          const uint8_t* in = input.row(std::clamp(row, 0, input.height - 1)) + channel;
          std::array<double, taps> across;
          std::transform(columns.begin(), columns.end(), across.begin(),
                         [&](ptrdiff_t at) { return double{0} + in[at]; });
          down[static_cast<size_t>(tap)] = mix(across, dx);
        }
        out[channel] = static_cast<uint8_t>(std::clamp(mix(down, dy), 0.0, 255.0));
      }
    }
  }
}

double round_to_15_digits(double value) { return std::nearbyint(value * 1e15) / 1e15; }

}  // namespace

Image affine(ImageView input, const std::array<double, 6>& matrix, const Warp& warp) {
  Image output(input.width, input.height);
  for (size_t i = 0; i < output.bytes(); i += 3) store(warp.fill.data(), output.row(0) + i);
  if (warp.interpolation == Interpolation::bilinear) {
    warp_smooth<2>(input, matrix, output);
  } else if (warp.interpolation == Interpolation::bicubic) {
    warp_smooth<4>(input, matrix, output);
  } else if (matrix[1] == 0 && matrix[3] == 0) {
    scale_nearest(input, matrix, output);
  } else {
    warp_nearest(input, matrix, output);
  }
  return output;
}

Image rotate(ImageView input, double degrees, const Warp& warp) {
  double turn = std::fmod(degrees, 360.0);
  if (turn < 0) turn += 360.0;
  const double angle = -turn * (std::numbers::pi / 180.0);
  const double cosine = round_to_15_digits(std::cos(angle)), sine = round_to_15_digits(std::sin(angle));
  const double center_x = input.width / 2.0, center_y = input.height / 2.0;
  // About the centre: it shows itself.
  const double shift_x = cosine * -center_x + sine * -center_y + 0.0 + center_x;
  const double shift_y = -sine * -center_x + cosine * -center_y + 0.0 + center_y;
  return affine(input, {cosine, sine, shift_x, -sine, cosine, shift_y}, warp);
}

}  // namespace convoy
