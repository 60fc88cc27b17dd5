#include "inference/onnx_resize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "convoy/error.h"

namespace convoy {
namespace {

struct Sampling {
  std::string mode, coordinates, nearest;
  double cubic = -0.75;
  bool antialias = false, excludes_outside = false;
};

// Where in the input the element i of the output lies.
double origin_of(int64_t i, int64_t from, int64_t to, double scale, const std::string& coordinates) {
  const auto x = static_cast<double>(i);
  if (coordinates == "asymmetric") return x / scale;
  if (coordinates == "align_corners") {
    // The output's extent before it is rounded down, as ONNX's reference has it.
    const double extent = scale * static_cast<double>(from);
    return to == 1 ? 0 : x * static_cast<double>(from - 1) / (extent - 1);
  }
  if (coordinates == "pytorch_half_pixel" && to == 1) return -0.5;
  if (coordinates == "half_pixel_symmetric") {
    const double adjustment = static_cast<double>(to) / (scale * static_cast<double>(from));
    const double center = static_cast<double>(from) / 2;
    return center * (1 - adjustment) + (x + 0.5) / scale - 0.5;
  }
  return (x + 0.5) / scale - 0.5;
}

int64_t nearest(double x, const std::string& mode) {
  if (mode == "floor") return static_cast<int64_t>(std::floor(x));
  if (mode == "ceil") return static_cast<int64_t>(std::ceil(x));
  const double below = std::floor(x);
  const bool half = x - below == 0.5;
  if (half) return static_cast<int64_t>(mode == "round_prefer_ceil" ? below + 1 : below);
  return static_cast<int64_t>(std::round(x));
}

double cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

double linear(double x) { return std::max(0.0, 1 - std::abs(x)); }

// The weights of the input's elements, {from, to}.
std::vector<float> matrix_of(int64_t from, int64_t to, double scale, const Sampling& sampling) {
  std::vector<float> matrix(static_cast<size_t>(from * to));
  for (int64_t i = 0; i < to; ++i) {
    const double x = origin_of(i, from, to, scale, sampling.coordinates);
    std::vector<double> weights(static_cast<size_t>(from));
    const auto at = [&](int64_t k) -> double& {
      return weights[static_cast<size_t>(std::clamp<int64_t>(k, 0, from - 1))];
    };
    if (sampling.mode == "nearest") {
      at(nearest(x, sampling.nearest)) = 1;
    } else {
      const bool is_cubic = sampling.mode == "cubic";
      const double stretch = sampling.antialias && scale < 1 ? scale : 1;
      const double reach = (is_cubic ? 2 : 1) / stretch;
      double sum = 0;
      for (auto k = static_cast<int64_t>(std::ceil(x - reach)); k <= static_cast<int64_t>(std::floor(x + reach)); ++k) {
        const double distance = (static_cast<double>(k) - x) * stretch;
        if (sampling.excludes_outside && (k < 0 || k >= from)) continue;
        const double weight = is_cubic ? cubic(distance, sampling.cubic) : linear(distance);
        at(k) += weight;
        sum += weight;
      }
      for (double& weight : weights) weight /= sum;
    }
    for (int64_t k = 0; k < from; ++k) matrix[static_cast<size_t>(k * to + i)] = static_cast<float>(at(k));
  }
  return matrix;
}

Sampling sampling_of(const OnnxCall& call) {
  const bool old = call.node().op == "Upsample" || call.tracer().opset() < 11;
  Sampling sampling{.mode = call.text("mode", "nearest"),
                    .coordinates = call.text("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel"),
                    .nearest = call.text("nearest_mode", old ? "floor" : "round_prefer_floor"),
                    .cubic = call.number("cubic_coeff_a", -0.75F),
                    .antialias = call.integer("antialias", 0) != 0,
                    .excludes_outside = call.integer("exclude_outside", 0) != 0};
  if (sampling.mode == "bilinear") sampling.mode = "linear";
  if (sampling.mode != "nearest" && sampling.mode != "linear" && sampling.mode != "cubic") {
    call.refuse(fmt::format("unknown mode {}", sampling.mode));
  }
  constexpr std::string_view kCoordinates[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
                                               "align_corners", "asymmetric"};
  if (std::ranges::find(kCoordinates, sampling.coordinates) == std::end(kCoordinates)) {
    call.refuse(fmt::format("the coordinates {} are not supported", sampling.coordinates));
  }
  return sampling;
}

}  // namespace

std::vector<ResizedAxis> resized_axes(const OnnxCall& call, const Traced& x) {
  const Sampling sampling = sampling_of(call);
  const bool first_form = call.node().op == "Upsample" || call.tracer().opset() < 11;
  const size_t scales_input = first_form ? 1 : 2;
  std::vector<float> scales;
  Integers sizes;
  if (call.has(scales_input)) scales = call.known_floats(scales_input, "scales");
  if (scales.empty() && !first_form && call.has(3)) sizes = call.known_integers(3, "sizes");
  Integers axes(x.shape.size());
  std::iota(axes.begin(), axes.end(), 0);
  axes = call.integers("axes", axes);
  if (std::max(scales.size(), sizes.size()) != axes.size()) call.refuse("expected scales or sizes of each axis");
  if (call.text("keep_aspect_ratio_policy", "stretch") != "stretch") call.refuse("only stretching is supported");
  std::vector<ResizedAxis> result;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int axis = call.axis(axes[i], x.rank());
    const int64_t from = x.shape[static_cast<size_t>(axis)];
    // Of the images there are as many as there were.
    if (axis == x.batch) {
      if (!scales.empty() && scales[i] != 1) call.refuse("it resizes the axis of the images");
      continue;
    }
    const double scale = scales.empty() ? static_cast<double>(sizes[i]) / static_cast<double>(from) : scales[i];
    constexpr double kMost = 65536;
    if (!(scale > 0) || scale * static_cast<double>(from) > kMost || from > static_cast<int64_t>(kMost)) {
      call.refuse("expected sizes of 1 to 65536");
    }
    const auto to = scales.empty() ? sizes[i] : static_cast<int64_t>(std::floor(scale * static_cast<double>(from)));
    if (to < 1) call.refuse("expected sizes of 1 to 65536");
    if (to == from && scale == 1) continue;
    if (from * to > int64_t{1} << 26) call.refuse("it resizes too large an axis");
    result.push_back({axis, to, matrix_of(from, to, scale, sampling)});
  }
  return result;
}

}  // namespace convoy
