#include "data/resize.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/resample.h"

namespace convoy {
namespace {

constexpr std::array<std::string_view, 4> kNames{"nearest", "box", "bilinear", "bicubic"};

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

// Weights of a pass over the input positions [begin, end); kernels/resample.h says how they are stored.
struct Taps {
  int begin = 0;
  int end = 0;
  size_t capacity = 0;
  std::vector<int32_t> first;
  std::vector<int32_t> count;
  std::vector<int32_t> weights;

  int outputs() const { return static_cast<int>(first.size()); }
  kernels::ResampleTaps pointers() const {
    return {first.data(), count.data(), weights.data(), static_cast<int64_t>(capacity)};
  }
};

// Weights of the output positions [begin, begin + outputs) when `input` positions become `output` ones.
Taps make_taps(int input, int64_t output, int64_t begin, int outputs, Interpolation interpolation) {
  const double scale = static_cast<double>(input) / static_cast<double>(output);
  const double stretch = std::max(scale, 1.0);
  const double radius = support(interpolation) * stretch;
  Taps result;
  result.capacity = static_cast<size_t>(std::min(input, static_cast<int>(std::ceil(radius)) * 2 + 1));
  result.weights.resize(static_cast<size_t>(outputs) * result.capacity);
  std::vector<double> weights(result.capacity);
  for (int i = 0; i < outputs; ++i) {
    const double center = (static_cast<double>(begin + i) + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - radius + 0.5));
    const int count = std::min(input, static_cast<int>(center + radius + 0.5)) - first;
    double sum = 0.0;
    for (int tap = 0; tap < count; ++tap) {
      const double weight = filter(interpolation, (tap + first - center + 0.5) * (1.0 / stretch));
      weights[static_cast<size_t>(tap)] = weight;
      sum += weight;
    }
    int32_t* out = result.weights.data() + static_cast<size_t>(i) * result.capacity;
    for (int tap = 0; tap < count; ++tap) {
      double weight = weights[static_cast<size_t>(tap)];
      if (sum != 0.0) weight /= sum;
      out[tap] = static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kernels::kResampleBits));
    }
    result.first.push_back(first);
    result.count.push_back(count);
  }
  result.begin = result.first.front();
  result.end = result.first.back() + result.count.back();
  for (int32_t& first : result.first) first -= result.begin;
  return result;
}

Image resize_nearest(ImageView input, const ResizeWindow& window) {
  const auto sources = [](int64_t begin, int count, int in, int64_t out) {
    std::vector<int> positions;
    for (const double centre : scaled_centres(begin, count, in / static_cast<double>(out))) {
      positions.push_back(std::min(in - 1, static_cast<int>(centre)));
    }
    return positions;
  };
  const std::vector<int> rows = sources(window.top, window.height, input.height, window.full_height);
  const std::vector<int> columns = sources(window.left, window.width, input.width, window.full_width);
  Image output(window.width, window.height);
  uint8_t* out = output.row(0);
  for (const int y : rows) {
    for (const int x : columns) out = std::copy_n(input.row(y) + ptrdiff_t{3} * x, 3, out);
  }
  return output;
}

// Horizontal pass over the columns [columns.begin, columns.end) of an image.
Image resample_rows(ImageView input, const Taps& columns) {
  Image output(columns.outputs(), input.height);
  kernels::resample_kernels().rows(input.pixels, input.stride, input.height, input.width, columns.pointers(),
                                   columns.outputs(), output.row(0));
  return output;
}

// Vertical pass over the rows [rows.begin, rows.end) of an image.
Image resample_columns(ImageView input, const Taps& rows) {
  const auto resample = kernels::resample_kernels().column;
  Image output(input.width, rows.outputs());
  const int32_t* weights = rows.weights.data();
  for (size_t y = 0; y < rows.first.size(); ++y, weights += rows.capacity) {
    resample(input.row(rows.first[y]), input.stride, rows.count[y], weights, output.stride(),
             output.row(static_cast<int>(y)));
  }
  return output;
}

// Whether Pillow 13 begins with the vertical pass: where that takes away more than twice as many rows as the other
// columns.
bool vertical_first(ImageView input, const ResizeWindow& window) {
  const int64_t fewer_rows = input.height - window.full_height;
  return fewer_rows > 0 && fewer_rows > 2 * (input.width - window.full_width);
}

}  // namespace

std::string_view to_string(Interpolation interpolation) { return kNames[static_cast<size_t>(interpolation)]; }

std::optional<Interpolation> interpolation_from_string(std::string_view word) {
  const auto found = std::find(kNames.begin(), kNames.end(), word);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Interpolation>(found - kNames.begin());
}

std::vector<double> scaled_centres(int64_t begin, int count, double scale, double offset) {
  double centre = offset + scale * 0.5;
  for (int64_t i = 0; i < begin; ++i) centre += scale;
  std::vector<double> centres(static_cast<size_t>(count));
  for (double& each : centres) {
    each = centre;
    centre += scale;
  }
  return centres;
}

Image resize(ImageView input, const ResizeWindow& window, Interpolation interpolation) {
  const bool horizontal = window.full_width != input.width;
  const bool vertical = window.full_height != input.height;
  if ((horizontal || vertical) && interpolation == Interpolation::nearest) return resize_nearest(input, window);
  // A direction that keeps its size needs no weights.
  Taps columns, rows;
  columns.begin = static_cast<int>(window.left);
  columns.end = columns.begin + window.width;
  rows.begin = static_cast<int>(window.top);
  rows.end = rows.begin + window.height;
  if (horizontal) columns = make_taps(input.width, window.full_width, window.left, window.width, interpolation);
  if (vertical) rows = make_taps(input.height, window.full_height, window.top, window.height, interpolation);
  const ImageView part = input.crop(columns.begin, rows.begin, columns.end - columns.begin, rows.end - rows.begin);
  if (!horizontal && !vertical) return copy_of(part);
  if (!vertical) return resample_rows(part, columns);
  if (!horizontal) return resample_columns(part, rows);
  if (vertical_first(input, window)) return resample_rows(resample_columns(part, rows).view(), columns);
  return resample_columns(resample_rows(part, columns).view(), rows);
}

}  // namespace convoy
