#include "report/evaluation_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "formats/atomic_file.h"
#include "report/chart.h"

namespace convoy {
namespace {

constexpr double kMargin = 24;
constexpr double kHeading = 64;

// The shade grows with the root of the share, so that the few images that went astray are seen.
Color cell_color(double share) { return shade(std::sqrt(share)); }
Color ink_on(double share) { return std::sqrt(share) > 0.6 ? kWhite : kInk; }

void draw_heading(Picture& picture, std::string_view title, std::string_view facts) {
  picture.text(title, {kMargin, 24}, {.size = 17, .bold = true});
  picture.text(facts, {kMargin, 47}, {.size = 13, .color = kFaintInk});
}

// Sizes of a confusion matrix, in pixels.
struct MatrixLayout {
  explicit MatrixLayout(const EvaluationReport& report) {
    const auto classes = static_cast<double>(std::max<size_t>(1, report.classes.size()));
    cell = std::clamp(std::floor(620 / classes), 1.0, 84.0);
    side = cell * classes;
    font = std::clamp(0.8 * cell, 7.0, 13.0);
    step = static_cast<size_t>(std::ceil((font + 1) / cell));
    const Picture ruler(1, 1);
    for (const ClassReport& one : report.classes) {
      longest_name = std::max(longest_name, ruler.text_width(one.class_name, {.size = font}));
    }
    longest_name = std::min(longest_name, 150.0);
    upright = longest_name > static_cast<double>(step) * cell - 6;
  }

  double cell = 0;
  double side = 0;
  double font = 0;  // of class names
  size_t step = 1;  // every step-th class is named
  double longest_name = 0;
  bool upright = false;  // the names of columns are written upwards
  double left() const { return kMargin + 22 + longest_name + 8; }
  double bottom() const { return kHeading + side; }
  double names_below() const { return 8 + (upright ? longest_name : font); }
};

void draw_cells(Picture& picture, const EvaluationReport& report, const MatrixLayout& layout) {
  const double left = layout.left();
  picture.fill({left, kHeading, layout.side, layout.side}, cell_color(0));
  for (size_t label = 0; label < report.confusion.size(); ++label) {
    for (size_t predicted = 0; predicted < report.confusion[label].size(); ++predicted) {
      const int64_t count = report.confusion[label][predicted];
      if (count == 0) continue;
      const double share = static_cast<double>(count) / static_cast<double>(report.classes[label].images);
      const Rect cell{left + layout.cell * static_cast<double>(predicted),
                      kHeading + layout.cell * static_cast<double>(label), layout.cell, layout.cell};
      picture.fill(cell, cell_color(share));
      const std::string text = fmt::to_string(count);
      const TextStyle style{
          .size = std::clamp(layout.cell / 3, 9.0, 15.0), .anchor = TextStyle::Anchor::center, .color = ink_on(share)};
      if (layout.cell < 18 || picture.text_width(text, style) > layout.cell - 2) continue;
      picture.text(text, {cell.left + cell.width / 2, cell.top + cell.height / 2}, style);
    }
  }
  picture.outline({left, kHeading, layout.side, layout.side}, kRule, 1);
}

void draw_class_names(Picture& picture, const EvaluationReport& report, const MatrixLayout& layout) {
  using Anchor = TextStyle::Anchor;
  for (size_t i = 0; i < report.classes.size(); i += layout.step) {
    TextStyle style{.size = layout.font, .anchor = Anchor::right};
    const std::string name = shortened(picture, report.classes[i].class_name, style, layout.longest_name);
    const double middle = layout.cell * (static_cast<double>(i) + 0.5);
    picture.text(name, {layout.left() - 8, kHeading + middle}, style);
    style.anchor = layout.upright ? Anchor::right : Anchor::center;
    style.angle = layout.upright ? -90 : 0;
    const double below = layout.bottom() + (layout.upright ? 8 : 8 + layout.font / 2);
    picture.text(name, {layout.left() + middle, below}, style);
  }
  const TextStyle title{.size = 13, .anchor = Anchor::center, .bold = true};
  picture.text("predicted class", {layout.left() + layout.side / 2, layout.bottom() + layout.names_below() + 18},
               title);
  TextStyle sideways = title;
  sideways.angle = -90;
  picture.text("true class", {kMargin + 6, kHeading + layout.side / 2}, sideways);
}

// What the shades stand for, to the right of the matrix.
void draw_scale(Picture& picture, double left, double height) {
  constexpr int kSteps = 100;
  for (int i = 0; i < kSteps; ++i) {
    const double share = std::pow((i + 0.5) / kSteps, 2);
    picture.fill({left, kHeading + height * (kSteps - 1 - i) / kSteps, 14, height / kSteps + 0.5}, cell_color(share));
  }
  for (const double share : {0.0, 0.01, 0.1, 0.25, 0.5, 1.0}) {
    picture.text(fmt::format("{:g} %", 100 * share), {left + 20, kHeading + height * (1 - std::sqrt(share))},
                 {.size = 11, .color = kFaintInk});
  }
}

constexpr Color kAccuracy = rgb(0x0072B2);
constexpr Color kConfidence = rgb(0xD55E00);

// Bars as high as the accuracy, each with a line at its mean confidence.
void draw_bins(Picture& picture, const Axes& axes, const std::vector<CalibrationBin>& bins) {
  for (const CalibrationBin& bin : bins) {
    if (bin.accuracy == 0) continue;
    const Rect bar = axes.between(bin.lower, 0, bin.upper, bin.accuracy);
    picture.fill(bar, kAccuracy);
    picture.outline(bar, kWhite, 1.5);
  }
  for (const CalibrationBin& bin : bins) {
    if (bin.images == 0) continue;
    const std::array<Point, 2> claimed = {axes.at(bin.lower, bin.confidence), axes.at(bin.upper, bin.confidence)};
    picture.line(claimed, kConfidence, 3);
  }
}

void draw_reliability_legend(Picture& picture, Point at) {
  constexpr TextStyle kStyle{.size = 13};
  const auto name = [&](std::string_view text) {
    picture.text(text, {at.x + 27, at.y}, kStyle);
    at.x += 27 + picture.text_width(text, kStyle) + 24;
  };
  const auto line = [&](Color color, double width, double dash) {
    picture.line(std::array<Point, 2>{{{at.x, at.y}, {at.x + 20, at.y}}}, color, width, dash);
  };
  picture.fill({at.x, at.y - 6, 20, 12}, kAccuracy);
  name("accuracy");
  line(kConfidence, 3, 0);
  name("mean confidence");
  line(kInk, 1.5, 5);
  name("calibrated");
}

}  // namespace

Picture confusion_matrix_chart(const EvaluationReport& report) {
  const MatrixLayout layout(report);
  const double scale_left = layout.left() + layout.side + 22;
  Picture picture(std::max(scale_left + 64, 360.0), layout.bottom() + layout.names_below() + 40);
  draw_heading(picture, "Confusion matrix",
               fmt::format("{} images, {} classes, top-1 {:.4f}", report.total.images, report.classes.size(),
                           report.total.top1));
  draw_cells(picture, report, layout);
  draw_class_names(picture, report, layout);
  draw_scale(picture, scale_left, std::min(layout.side, 320.0));
  return picture;
}

Picture reliability_chart(const EvaluationReport& report) {
  Picture picture(620, 700);
  draw_heading(picture, "Reliability",
               fmt::format("{} images, expected calibration error {:.4f} in {} bins", report.total.images,
                           report.calibration_error, report.calibration.size()));
  draw_reliability_legend(picture, {kMargin, 76});
  const std::vector<double> shares = {0, 0.2, 0.4, 0.6, 0.8, 1};
  const Axes axes(picture, {76, 104, 520, 380}, {0, 1}, {0, 1});
  axes.draw_x_ticks(shares);
  axes.draw_y_ticks(shares);
  axes.draw_labels("", "", "accuracy");
  draw_bins(picture, axes, report.calibration);
  picture.line(std::array<Point, 2>{{axes.at(0, 0), axes.at(1, 1)}}, kInk, 1.5, 5);

  double greatest = 0;
  const auto share_of = [&](const CalibrationBin& bin) {
    return static_cast<double>(bin.images) / static_cast<double>(std::max<int64_t>(1, report.total.images));
  };
  for (const CalibrationBin& bin : report.calibration) greatest = std::max(greatest, share_of(bin));
  const std::vector<double> ticks = round_ticks({0, greatest}, 3);
  const Axes below(picture, {76, 524, 520, 120}, {0, 1}, {0, ticks.back()});
  below.draw_x_ticks(shares);
  below.draw_y_ticks(ticks);
  below.draw_labels("", "confidence", "share of images");
  for (const CalibrationBin& bin : report.calibration) {
    if (bin.images == 0) continue;
    picture.fill(below.between(bin.lower, 0, bin.upper, share_of(bin)), kFaintInk, 0.7);
    picture.outline(below.between(bin.lower, 0, bin.upper, share_of(bin)), kWhite, 1);
  }
  return picture;
}

void write_evaluation_charts(const EvaluationReport& report, const std::filesystem::path& folder) {
  create_folder(folder);
  save_png_and_svg(confusion_matrix_chart(report), folder / "confusion_matrix");
  save_png_and_svg(reliability_chart(report), folder / "reliability");
}

}  // namespace convoy
