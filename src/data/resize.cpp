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

kernels::ResampleTaps pointers(const ResizeTaps& taps) {
  return {taps.first.data(), taps.count.data(), taps.weights.data(), static_cast<int64_t>(taps.capacity)};
}

// Weights of the output positions [begin, begin + outputs) when `input` positions become `output` ones.
ResizeTaps make_taps(int input, int64_t output, int64_t begin, int outputs, Interpolation interpolation) {
  const double scale = static_cast<double>(input) / static_cast<double>(output);
  const double stretch = std::max(scale, 1.0);
  const double radius = support(interpolation) * stretch;
  ResizeTaps result;
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

// Where the output positions [begin, begin + outputs) come from.
ResizeTaps nearest_positions(int input, int64_t output, int64_t begin, int outputs) {
  ResizeTaps result;
  for (const double centre : scaled_centres(begin, outputs, input / static_cast<double>(output))) {
    result.first.push_back(std::min(input - 1, static_cast<int>(centre)));
  }
  result.begin = result.first.front();
  result.end = result.first.back() + 1;
  for (int32_t& first : result.first) first -= result.begin;
  return result;
}

// A direction that keeps its size needs no weights.
ResizeTaps same_positions(int64_t begin, int outputs) {
  ResizeTaps result;
  result.begin = static_cast<int>(begin);
  result.end = result.begin + outputs;
  return result;
}

// Horizontal pass over an image.
ImageView resample_rows(ImageView input, const ResizeTaps& columns, int width, Image& output) {
  output.reshape(width, input.height);
  kernels::resample_kernels().rows(input.pixels, input.stride, input.height, input.width, pointers(columns), width,
                                   output.row(0));
  return output.view();
}

// Row `y` of the vertical pass over an image.
void resample_row(ImageView input, const ResizeTaps& rows, int y, uint8_t* output) {
  const auto at = static_cast<size_t>(y);
  kernels::resample_kernels().column(input.row(rows.first[at]), input.stride, rows.count[at],
                                     rows.weights.data() + at * rows.capacity,
                                     ptrdiff_t{Image::kChannels} * input.width, output);
}

// Whether Pillow 13 begins with the vertical pass: where that takes away more than twice as many rows as the other
// columns.
bool goes_vertical_first(const Rectangle& source, const ResizeWindow& window) {
  const int64_t fewer_rows = source.height - window.full_height;
  return fewer_rows > 0 && fewer_rows > 2 * (source.width - window.full_width);
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

Resizer::Resizer(const Rectangle& source, const ResizeWindow& window, Interpolation interpolation)
    : width_(window.width), height_(window.height) {
  const bool horizontal = window.full_width != source.width, vertical = window.full_height != source.height;
  nearest_ = (horizontal || vertical) && interpolation == Interpolation::nearest;
  const auto taps = [&](bool changes, int input, int64_t output, int64_t begin, int outputs) {
    if (nearest_) return nearest_positions(input, output, begin, outputs);
    return changes ? make_taps(input, output, begin, outputs, interpolation) : same_positions(begin, outputs);
  };
  columns_ = taps(horizontal, source.width, window.full_width, window.left, width_);
  rows_ = taps(vertical, source.height, window.full_height, window.top, height_);
  vertical_first_ = horizontal && goes_vertical_first(source, window);
  part_ = {source.left + columns_.begin, source.top + rows_.begin, columns_.end - columns_.begin,
           rows_.end - rows_.begin};
}

void Resizer::operator()(ImageView part, ResizeScratch& scratch, const TakeRow& take) const {
  if (nearest_) {
    scratch.first.reshape(width_, 1);
    for (int y = 0; y < height_; ++y) {
      const uint8_t* in = part.row(rows_.first[static_cast<size_t>(y)]);
      uint8_t* out = scratch.first.row(0);
      for (const int32_t x : columns_.first) out = std::copy_n(in + ptrdiff_t{3} * x, 3, out);
      take(y, scratch.first.row(0));
    }
    return;
  }
  const bool horizontal = !columns_.first.empty(), vertical = !rows_.first.empty();
  ImageView map = part;
  if (vertical && vertical_first_) {
    scratch.first.reshape(part.width, height_);
    for (int y = 0; y < height_; ++y) resample_row(part, rows_, y, scratch.first.row(y));
    map = scratch.first.view();
  }
  if (horizontal) map = resample_rows(map, columns_, width_, scratch.second);
  if (vertical && !vertical_first_) {
    scratch.first.reshape(width_, 1);
    for (int y = 0; y < height_; ++y) {
      resample_row(map, rows_, y, scratch.first.row(0));
      take(y, scratch.first.row(0));
    }
  } else {
    for (int y = 0; y < height_; ++y) take(y, map.row(y));
  }
}

Image Resizer::operator()(ImageView part) const {
  Image output(width_, height_);
  ResizeScratch scratch;
  (*this)(part, scratch, [&](int y, const uint8_t* row) { std::copy_n(row, output.stride(), output.row(y)); });
  return output;
}

Image resize(ImageView input, const ResizeWindow& window, Interpolation interpolation) {
  const Resizer resizer({0, 0, input.width, input.height}, window, interpolation);
  return resizer(input.crop(resizer.part()));
}

}  // namespace convoy
