#include "data/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace convoy {
namespace {

constexpr int kPrecisionBits = 32 - 8 - 2;
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);
constexpr std::array<std::string_view, 4> kNames{"nearest", "box", "bilinear", "bicubic"};

uint8_t to_pixel(int32_t fixed_point) {
  return static_cast<uint8_t>(std::clamp(fixed_point >> kPrecisionBits, 0, 255));
}

// Half of the width over which filter() is not zero.
double support(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::bilinear: return 1.0;
    case Interpolation::bicubic: return 2.0;
    default: return 0.5;
  }
}

double filter(Interpolation interpolation, double x) {
  if (interpolation == Interpolation::box) return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
  x = std::abs(x);
  if (interpolation == Interpolation::bilinear) return x < 1.0 ? 1.0 - x : 0.0;
  constexpr double a = -0.5;  // Keys' cubic convolution
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

// For each output position: the first input position that it reads, and its weights, padded with zeros to `taps`.
struct Taps {
  int taps = 0;
  std::vector<int> first;
  std::vector<int32_t> weights;

  const int32_t* at(int position) const { return weights.data() + ptrdiff_t{position} * taps; }
};

// Weights of output positions [begin, begin + count) when `input` positions become `output` ones.
Taps make_taps(int input, int64_t output, int64_t begin, int count, Interpolation interpolation) {
  const double scale = static_cast<double>(input) / static_cast<double>(output);
  const double stretch = std::max(scale, 1.0);
  const double radius = support(interpolation) * stretch;
  const int capacity = std::min(input, static_cast<int>(std::ceil(radius)) * 2 + 1);
  Taps result{capacity, std::vector<int>(static_cast<size_t>(count)),
              std::vector<int32_t>(static_cast<size_t>(count) * static_cast<size_t>(capacity))};
  std::vector<double> weights(static_cast<size_t>(capacity));
  for (int i = 0; i < count; ++i) {
    const double center = (static_cast<double>(begin + i) + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - radius + 0.5));
    const int taps = std::min(input, static_cast<int>(center + radius + 0.5)) - first;
    double sum = 0.0;
    for (int tap = 0; tap < taps; ++tap) {
      const double weight = filter(interpolation, (tap + first - center + 0.5) * (1.0 / stretch));
      weights[static_cast<size_t>(tap)] = weight;
      sum += weight;
    }
    // A window of `capacity` taps must not reach beyond the input: shift it left, with zero weights before `first`.
    const int shifted = std::min(first, input - capacity);
    result.first[static_cast<size_t>(i)] = shifted;
    int32_t* out = result.weights.data() + ptrdiff_t{i} * capacity + (first - shifted);
    for (int tap = 0; tap < taps; ++tap) {
      double weight = weights[static_cast<size_t>(tap)];
      if (sum != 0.0) weight /= sum;
      out[tap] = static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
    }
  }
  return result;
}

void resample_row(const uint8_t* in, uint8_t* out, const Taps& columns) {
  const int width = static_cast<int>(columns.first.size());
  for (int x = 0; x < width; ++x, out += 3) {
    const uint8_t* pixel = in + ptrdiff_t{3} * columns.first[static_cast<size_t>(x)];
    const int32_t* weights = columns.at(x);
    int32_t r = kHalf, g = kHalf, b = kHalf;
    for (int tap = 0; tap < columns.taps; ++tap, pixel += 3) {
      r += pixel[0] * weights[tap];
      g += pixel[1] * weights[tap];
      b += pixel[2] * weights[tap];
    }
    out[0] = to_pixel(r);
    out[1] = to_pixel(g);
    out[2] = to_pixel(b);
  }
}

// One output row out of `taps` input rows; `sums` has an entry a byte of the row.
void resample_column(const uint8_t* in, ptrdiff_t stride, const int32_t* weights, int taps, std::vector<int32_t>& sums,
                     uint8_t* out) {
  const size_t count = sums.size();
  std::fill(sums.begin(), sums.end(), kHalf);
  for (int tap = 0; tap < taps; ++tap, in += stride) {
    const int32_t weight = weights[tap];
    if (weight == 0) continue;
    for (size_t i = 0; i < count; ++i) sums[i] += in[i] * weight;
  }
  for (size_t i = 0; i < count; ++i) out[i] = to_pixel(sums[i]);
}

Image crop_copy(ImageView input, const ResizeWindow& window) {
  const ImageView part =
      input.crop(static_cast<int>(window.left), static_cast<int>(window.top), window.width, window.height);
  Image output(part.width, part.height);
  for (int y = 0; y < part.height; ++y) std::copy_n(part.row(y), output.stride(), output.row(y));
  return output;
}

Image resize_nearest(ImageView input, const ResizeWindow& window) {
  const auto source = [](int64_t position, int in, int64_t out) {
    const double scale = static_cast<double>(in) / static_cast<double>(out);
    return std::min(in - 1, static_cast<int>((static_cast<double>(position) + 0.5) * scale));
  };
  Image output(window.width, window.height);
  for (int y = 0; y < window.height; ++y) {
    const uint8_t* in = input.row(source(window.top + y, input.height, window.full_height));
    uint8_t* out = output.row(y);
    for (int x = 0; x < window.width; ++x, out += 3) {
      std::copy_n(in + ptrdiff_t{3} * source(window.left + x, input.width, window.full_width), 3, out);
    }
  }
  return output;
}

// Horizontal pass over the rows [begin, end) of the input, row `begin` becoming row 0.
Image resample_rows(ImageView input, int begin, int end, const ResizeWindow& window, Interpolation interpolation) {
  const Taps columns = make_taps(input.width, window.full_width, window.left, window.width, interpolation);
  Image output(window.width, end - begin);
  for (int y = begin; y < end; ++y) resample_row(input.row(y), output.row(y - begin), columns);
  return output;
}

// Vertical pass; row 0 of `input` is row `begin` of the image that `rows` speaks of.
Image resample_columns(ImageView input, int begin, const Taps& rows) {
  const int height = static_cast<int>(rows.first.size());
  Image output(input.width, height);
  std::vector<int32_t> sums(static_cast<size_t>(output.stride()));
  for (int y = 0; y < height; ++y) {
    const uint8_t* in = input.row(rows.first[static_cast<size_t>(y)] - begin);
    resample_column(in, input.stride, rows.at(y), rows.taps, sums, output.row(y));
  }
  return output;
}

}  // namespace

std::string_view to_string(Interpolation interpolation) { return kNames[static_cast<size_t>(interpolation)]; }

std::optional<Interpolation> interpolation_from_string(std::string_view word) {
  const auto found = std::find(kNames.begin(), kNames.end(), word);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Interpolation>(found - kNames.begin());
}

Image resize(ImageView input, const ResizeWindow& window, Interpolation interpolation) {
  const bool horizontal = window.full_width != input.width;
  const bool vertical = window.full_height != input.height;
  if (!horizontal && !vertical) return crop_copy(input, window);
  if (interpolation == Interpolation::nearest) return resize_nearest(input, window);
  if (!vertical) {
    const int top = static_cast<int>(window.top);
    return resample_rows(input, top, top + window.height, window, interpolation);
  }
  const Taps rows = make_taps(input.height, window.full_height, window.top, window.height, interpolation);
  const int begin = rows.first.front();
  if (!horizontal) {
    const int left = static_cast<int>(window.left);
    return resample_columns(input.crop(left, begin, window.width, input.height - begin), begin, rows);
  }
  const Image narrowed = resample_rows(input, begin, rows.first.back() + rows.taps, window, interpolation);
  return resample_columns(narrowed.view(), begin, rows);
}

}  // namespace convoy
