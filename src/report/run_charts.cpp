#include "report/run_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/atomic_file.h"
#include "report/chart.h"

namespace convoy {
namespace {

using Field = double RunEpoch::*;

std::vector<Point> points_of(const RunSummary& run, Field field) {
  std::vector<Point> points;
  for (const RunEpoch& epoch : run.epochs) points.push_back({static_cast<double>(epoch.epoch), epoch.*field});
  return points;
}

Curve curve_of(std::string name, const RunSummary& run, Field field, size_t look) {
  return {
      .name = std::move(name), .points = points_of(run, field), .color = curve_color(look), .dash = curve_dash(look)};
}

std::string run_name(const RunSummary& run) { return run.folder.filename().string(); }

// A chart with its legend above the plot.
void draw_with_legend(Picture& picture, const Rect& area, const CurveChart& chart) {
  draw_curves(picture, {area.left, area.top, area.width, area.height - 30}, chart);
  draw_legend(picture, {area.left + 56, area.bottom() - 30}, area.width - 72, chart.curves);
}

void draw_facts(Picture& picture, const Rect& area, const RunSummary& run) {
  const double left = area.left + 56;
  double top = area.top + 16;
  picture.text(run_name(run), {left, top}, {.size = 15, .bold = true});
  const auto fact = [&](std::string_view name, const std::string& value) {
    top += 24;
    picture.text(name, {left, top}, {.size = 13, .color = kFaintInk});
    picture.text(value, {left + 110, top}, {.size = 13});
  };
  fact("network", run.model);
  fact("parameters", short_count(run.parameters));
  fact("multiply-adds", fmt::format("{} at {} px", short_count(run.multiply_adds), run.image_size));
  fact("images", fmt::format("{} + {} validation", run.train_images, run.val_images));
  fact("epochs", fmt::format("{} of {}", run.epochs.size(), run.epochs_planned));
  if (const RunEpoch* best = run.best()) {
    fact("best top-1", fmt::format("{:.4f} in epoch {}", best->val_top1, best->epoch));
    if (run.class_names.size() > 5) fact("its top-5", fmt::format("{:.4f}", best->val_top5));
  }
  fact("training", fmt::format("{:.4g} images/s", run.train_images_per_second()));
  fact("time", fmt::format("{}, CPU {}", short_time(run.cost.wall_seconds), short_time(run.cost.cpu_seconds)));
  fact("memory", fmt::format("{} MiB", run.cost.peak_bytes >> 20));
}

}  // namespace

std::string short_count(int64_t number) {
  const auto value = static_cast<double>(number);
  if (value >= 1e9) return fmt::format("{:.2f} G", value * 1e-9);
  if (value >= 1e6) return fmt::format("{:.2f} M", value * 1e-6);
  if (value >= 1e4) return fmt::format("{:.1f} k", value * 1e-3);
  return fmt::to_string(number);
}

std::string short_time(double seconds) {
  const auto whole = static_cast<int64_t>(std::clamp(std::round(seconds), 0.0, 1e12));
  if (whole < 60) return fmt::format("{:.3g} s", seconds);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02} h", whole / 3600, whole / 60 % 60, whole % 60);
}

Picture results_chart(const RunSummary& run) {
  Picture picture(920, 640);
  const auto area = [](int column, int row) { return Rect{460.0 * column, 8 + 316.0 * row, 460, 308}; };
  draw_with_legend(picture, area(0, 0),
                   {.title = "Loss",
                    .x_label = "epoch",
                    .curves = {curve_of("training", run, &RunEpoch::train_loss, 0),
                               curve_of("validation", run, &RunEpoch::val_loss, 1)},
                    .clipped = true});
  std::vector<Curve> accuracies = {curve_of("training", run, &RunEpoch::train_top1, 0),
                                   curve_of("validation", run, &RunEpoch::val_top1, 1)};
  if (run.class_names.size() > 5) {
    accuracies.push_back(curve_of("validation, top-5", run, &RunEpoch::val_top5, 2));
  }
  draw_with_legend(picture, area(1, 0), {.title = "Accuracy", .x_label = "epoch", .curves = std::move(accuracies)});
  draw_curves(
      picture, area(0, 1),
      {.title = "Learning rate", .x_label = "epoch", .curves = {curve_of("learning rate", run, &RunEpoch::lr, 2)}});
  draw_facts(picture, area(1, 1), run);
  return picture;
}

Picture comparison_chart(const std::vector<RunSummary>& runs) {
  CurveChart accuracy{.title = "Validation accuracy", .x_label = "epoch", .curves = {}};
  CurveChart loss{.title = "Validation loss", .x_label = "epoch", .curves = {}, .clipped = true};
  for (size_t i = 0; i < runs.size(); ++i) {
    const RunSummary& run = runs[i];
    const bool validated = run.best() != nullptr;
    const std::string name = run_name(run) + (validated ? "" : " (training)");
    accuracy.curves.push_back(curve_of(name, run, validated ? &RunEpoch::val_top1 : &RunEpoch::train_top1, i));
    loss.curves.push_back(curve_of(name, run, validated ? &RunEpoch::val_loss : &RunEpoch::train_loss, i));
  }
  constexpr double kWidth = 1000;
  constexpr double kHeight = 400;
  constexpr double kMargin = 56;
  const double legend = legend_height(Picture(1, 1), kWidth - 2 * kMargin, accuracy.curves);
  Picture picture(kWidth, kHeight + legend + 24);
  draw_curves(picture, {0, 8, kWidth / 2, kHeight}, accuracy);
  draw_curves(picture, {kWidth / 2, 8, kWidth / 2, kHeight}, loss);
  draw_legend(picture, {kMargin, kHeight + 10}, kWidth - 2 * kMargin, accuracy.curves);
  return picture;
}

Picture learning_rate_chart(const LearningRateCurve& curve) {
  // A diverging loss is clipped at as far above the start as the least is below it.
  const double first = curve.points.empty() ? 0 : curve.points.front().smoothed;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const LearningRatePoint& point : curve.points) {
    low = std::min(low, point.smoothed);
    high = std::max(high, point.smoothed);
  }
  if (low < first) high = std::min(high, 2 * first - low);
  std::vector<Point> losses, smoothed;
  for (const LearningRatePoint& point : curve.points) {
    const double x = std::log10(point.lr);
    losses.push_back({x, std::min(point.loss, high)});
    smoothed.push_back({x, std::min(point.smoothed, high)});
  }
  CurveChart chart{
      .title = "Loss by learning rate",
      .x_label = "learning rate",
      .curves = {{"loss", std::move(losses), curve_color(5)}, {"smoothed loss", std::move(smoothed), curve_color(0)}},
      .decades = true};
  if (curve.advice) {
    const double x = std::log10(curve.advice->suggestion);
    chart.curves.push_back(
        {fmt::format("suggested: {:.2g}", curve.advice->suggestion), {{x, low}, {x, high}}, curve_color(1), 7});
  }
  Picture picture(700, 430);
  draw_with_legend(picture, {0, 8, picture.width(), picture.height() - 16}, chart);
  return picture;
}

void write_comparison_charts(const std::vector<RunSummary>& runs, const std::filesystem::path& folder) {
  create_folder(folder);
  save_png_and_svg(comparison_chart(runs), folder / "comparison");
}

}  // namespace convoy
