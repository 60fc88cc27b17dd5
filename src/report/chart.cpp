#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "core/text.h"

namespace convoy {
namespace {

constexpr double kTickSize = 12;
constexpr double kLabelSize = 13;
constexpr double kTitleSize = 15;
constexpr double kCurveWidth = 2;
// Room for numbers and labels around a chart.
constexpr double kLeft = 56;
constexpr double kRight = 16;
constexpr double kTop = 34;
constexpr double kBottom = 48;

constexpr double kLegendLine = 22;
constexpr double kLegendSample = 26;
constexpr double kLegendGap = 8;
constexpr double kLegendSpace = 22;
constexpr TextStyle kLegendStyle{.size = 13};

bool finite(const Point& point) { return std::isfinite(point.x) && std::isfinite(point.y); }

struct Extent {
  Range x{INFINITY, -INFINITY};
  Range y{INFINITY, -INFINITY};
};

Extent extent_of(const std::vector<Curve>& curves) {
  Extent extent;
  for (const Curve& curve : curves) {
    for (const Point& point : curve.points) {
      if (!finite(point)) continue;
      extent.x = {std::min(extent.x.low, point.x), std::max(extent.x.high, point.x)};
      extent.y = {std::min(extent.y.low, point.y), std::max(extent.y.high, point.y)};
    }
  }
  return extent;
}

double legend_entry_width(const Picture& picture, const Curve& curve) {
  return kLegendSample + kLegendGap + picture.text_width(curve.name, kLegendStyle) + kLegendSpace;
}

// Calls place(curve, left, line) for each curve.
template <class Place>
int lay_out_legend(const Picture& picture, double width, const std::vector<Curve>& curves, const Place& place) {
  double left = 0;
  int line = 0;
  for (const Curve& curve : curves) {
    if (std::ranges::none_of(curve.points, finite)) continue;
    const double entry = legend_entry_width(picture, curve);
    if (left > 0 && left + entry - kLegendSpace > width) {
      left = 0;
      ++line;
    }
    place(curve, left, line);
    left += entry;
  }
  return line + 1;
}

// The parts of a line that lie below the level `top`.
std::vector<std::vector<Point>> below(const std::vector<Point>& line, double top) {
  std::vector<std::vector<Point>> parts(1);
  for (size_t i = 0; i < line.size(); ++i) {
    const bool inside = line[i].y <= top;
    if (i > 0 && inside != (line[i - 1].y <= top)) {
      const Point& from = line[i - 1];
      const double share = (top - from.y) / (line[i].y - from.y);
      parts.back().push_back({from.x + share * (line[i].x - from.x), top});
      if (!inside) parts.emplace_back();
    }
    if (inside) parts.back().push_back(line[i]);
  }
  return parts;
}

void draw_curve(Picture& picture, const Axes& axes, const Curve& curve, double top) {
  std::vector<Point> points;
  std::ranges::copy_if(curve.points, std::back_inserter(points), finite);
  const auto place = [&](const Point& point) { return axes.at(point.x, point.y); };
  for (std::vector<Point>& part : below(points, top)) {
    std::ranges::transform(part, part.begin(), place);
    picture.line(part, curve.color, kCurveWidth, curve.dash);
  }
  // A few points, such as those of a short run, are told apart from the lines between them.
  constexpr size_t kMostDots = 12;
  if (points.size() > kMostDots) return;
  for (const Point& point : points) {
    if (point.y <= top) picture.dot(place(point), 1.5 * kCurveWidth, curve.color);
  }
}

}  // namespace

std::vector<double> round_ticks(Range range, int intervals) {
  // Within these limits no step is 0 or infinite.
  constexpr double kMost = 1e300, kLeast = 1e-300;
  if (!(std::abs(range.low) <= kMost)) range.low = 0;
  if (!(range.high - range.low >= kLeast && range.high <= kMost)) {
    range.high = range.low + std::max(std::abs(range.low), 1e-9);
  }
  const double rough = (range.high - range.low) / intervals;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= 0.999 * rough) step = factor * power;
  }
  std::vector<double> ticks;
  const auto first = static_cast<int64_t>(std::floor(range.low / step + 1e-6));
  const auto last = static_cast<int64_t>(std::ceil(range.high / step - 1e-6));
  for (int64_t i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

std::string tick_label(double value) { return fmt::format("{:.6g}", value); }

Point Axes::at(double x, double y) const {
  return {plot_.left + plot_.width * (x - x_.low) / (x_.high - x_.low),
          plot_.bottom() - plot_.height * (y - y_.low) / (y_.high - y_.low)};
}

Rect Axes::between(double x0, double y0, double x1, double y1) const {
  const Point a = at(x0, y0);
  const Point b = at(x1, y1);
  return {std::min(a.x, b.x), std::min(a.y, b.y), std::abs(a.x - b.x), std::abs(a.y - b.y)};
}

void Axes::draw_x_ticks(const std::vector<double>& ticks, bool decades) const {
  for (const double tick : ticks) {
    const double x = at(tick, y_.low).x;
    if (x < plot_.left - 0.5 || x > plot_.right() + 0.5) continue;
    picture_.line(std::array<Point, 2>{{{x, plot_.top}, {x, plot_.bottom()}}}, kRule, 1);
    picture_.text(tick_label(decades ? std::pow(10, tick) : tick), {x, plot_.bottom() + 13},
                  {.size = kTickSize, .anchor = TextStyle::Anchor::center, .color = kFaintInk});
  }
}

void Axes::draw_y_ticks(const std::vector<double>& ticks) const {
  for (const double tick : ticks) {
    const double y = at(x_.low, tick).y;
    if (y < plot_.top - 0.5 || y > plot_.bottom() + 0.5) continue;
    picture_.line(std::array<Point, 2>{{{plot_.left, y}, {plot_.right(), y}}}, kRule, 1);
    picture_.text(tick_label(tick), {plot_.left - 7, y},
                  {.size = kTickSize, .anchor = TextStyle::Anchor::right, .color = kFaintInk});
  }
}

void Axes::draw_labels(std::string_view title, std::string_view x_label, std::string_view y_label) const {
  picture_.text(title, {plot_.left, plot_.top - 18}, {.size = kTitleSize, .bold = true});
  const double middle = plot_.left + plot_.width / 2;
  picture_.text(x_label, {middle, plot_.bottom() + 34}, {.size = kLabelSize, .anchor = TextStyle::Anchor::center});
  picture_.text(y_label, {plot_.left - 44, plot_.top + plot_.height / 2},
                {.size = kLabelSize, .anchor = TextStyle::Anchor::center, .angle = -90});
}

Color curve_color(size_t index) {
  constexpr std::array<Color, 7> kColors = {rgb(0x0072B2), rgb(0xD55E00), rgb(0x009E73), rgb(0xCC79A7),
                                            rgb(0xE69F00), rgb(0x56B4E9), rgb(0x3B3B3B)};
  return kColors[index % kColors.size()];
}

double curve_dash(size_t index) {
  constexpr size_t kColors = 7;
  constexpr std::array<double, 3> kDashes = {0, 7, 3};
  return kDashes[index / kColors % kDashes.size()];
}

double clip_level(const std::vector<Curve>& curves) {
  std::vector<double> values;
  for (const Curve& curve : curves) {
    for (const Point& point : curve.points) {
      if (finite(point)) values.push_back(point.y);
    }
  }
  if (values.empty()) return -INFINITY;
  std::ranges::sort(values);
  constexpr double kFar = 10;
  for (size_t i = values.size() - values.size() / 3; i < values.size(); ++i) {
    if (values[i] > kFar * values[i - 1] && values[i - 1] > 0) return values[i - 1];
  }
  return values.back();
}

void draw_curves(Picture& picture, const Rect& area, const CurveChart& chart) {
  const Rect plot{area.left + kLeft, area.top + kTop, area.width - kLeft - kRight, area.height - kTop - kBottom};
  const Extent extent = extent_of(chart.curves);
  if (!(extent.x.low <= extent.x.high)) {
    const Axes axes(picture, plot, {}, {});
    axes.draw_labels(chart.title, "", "");
    picture.text("no figures yet", {plot.left, plot.top + 10}, {.color = kFaintInk});
    return;
  }
  const double top = chart.clipped ? clip_level(chart.curves) : extent.y.high;
  const std::vector<double> y_ticks = round_ticks({extent.y.low, top}, 5);
  // Epochs and powers of ten are whole; a single one stands in the middle.
  const Range x = extent.x.low < extent.x.high ? extent.x : Range{extent.x.low - 1, extent.x.high + 1};
  std::vector<double> x_ticks = round_ticks(x, std::clamp(static_cast<int>(plot.width / 60), 1, 10));
  std::erase_if(x_ticks, [](double tick) { return tick != std::round(tick); });

  const Axes axes(picture, plot, x, {y_ticks.front(), y_ticks.back()});
  axes.draw_x_ticks(x_ticks, chart.decades);
  axes.draw_y_ticks(y_ticks);
  axes.draw_labels(chart.title, chart.x_label, "");
  for (const Curve& curve : chart.curves) draw_curve(picture, axes, curve, y_ticks.back());
  if (extent.y.high <= y_ticks.back()) return;
  picture.text(fmt::format("cut off: up to {:.3g}", extent.y.high), {plot.right(), plot.top - 12},
               {.size = kTickSize, .anchor = TextStyle::Anchor::right, .color = kFaintInk});
}

double draw_legend(Picture& picture, Point top_left, double width, const std::vector<Curve>& curves) {
  const auto place = [&](const Curve& curve, double left, int line) {
    const double x = top_left.x + left;
    const double y = top_left.y + (line + 0.5) * kLegendLine;
    picture.line(std::array<Point, 2>{{{x, y}, {x + kLegendSample, y}}}, curve.color, kCurveWidth + 1, curve.dash);
    picture.text(curve.name, {x + kLegendSample + kLegendGap, y}, kLegendStyle);
  };
  return kLegendLine * lay_out_legend(picture, width, curves, place);
}

double legend_height(const Picture& picture, double width, const std::vector<Curve>& curves) {
  return kLegendLine * lay_out_legend(picture, width, curves, [](const Curve&, double, int) {});
}

Color shade(double share) {
  constexpr std::array<Color, 5> kBlues = {rgb(0xF7FBFF), rgb(0xC6DBEF), rgb(0x6BAED6), rgb(0x2171B5), rgb(0x08306B)};
  const double place = std::clamp(share, 0.0, 1.0) * (kBlues.size() - 1);
  const auto below = static_cast<size_t>(std::min<double>(std::floor(place), kBlues.size() - 2));
  const double part = place - static_cast<double>(below);
  const Color& a = kBlues[below];
  const Color& b = kBlues[below + 1];
  return {std::lerp(a.red, b.red, part), std::lerp(a.green, b.green, part), std::lerp(a.blue, b.blue, part)};
}

std::string shortened(const Picture& picture, std::string_view text, const TextStyle& style, double width) {
  std::string kept = to_utf8(text);
  if (picture.text_width(kept, style) <= width) return kept;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  while (!kept.empty() && picture.text_width(kept + "\u2026", style) > width) {
    while (kept.size() > 1 && continues(kept.back())) kept.pop_back();
    kept.pop_back();
  }
  return kept + "\u2026";
}

}  // namespace convoy
