#include "report/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "report/evaluation_charts.h"
#include "report/run_charts.h"
#include "tests/support/load_image.h"

namespace convoy {
namespace {

using testing::ElementsAre;

// The PNG's colours, each packed into a number, by how many pixels have them.
std::map<uint32_t, int64_t> colors_of(const Picture& picture) {
  const auto path = std::filesystem::path(testing::TempDir()) / "convoy_chart.png";
  picture.save(path);
  const Image image = load_image(path);
  std::filesystem::remove(path);
  EXPECT_EQ(image.width(), picture.width());
  EXPECT_EQ(image.height(), picture.height());
  std::map<uint32_t, int64_t> colors;
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) {
      const uint8_t* pixel = image.row(y) + ptrdiff_t{3} * x;
      ++colors[static_cast<uint32_t>(pixel[0] << 16 | pixel[1] << 8 | pixel[2])];
    }
  }
  return colors;
}

uint32_t packed(Color color) {
  const auto byte = [](double x) { return static_cast<uint32_t>(std::lround(255 * x)); };
  return byte(color.red) << 16 | byte(color.green) << 8 | byte(color.blue);
}

RunSummary run_of(const std::string& name, std::vector<double> accuracies) {
  RunSummary run;
  run.folder = "runs/" + name;
  run.model = "resnet18";
  run.class_names.assign(10, "class");
  for (const double accuracy : accuracies) {
    RunEpoch epoch;
    epoch.epoch = static_cast<int64_t>(run.epochs.size()) + 1;
    epoch.lr = 0.1;
    epoch.train_loss = 2 - accuracy;
    epoch.train_top1 = accuracy;
    epoch.val_loss = 2.1 - accuracy;
    epoch.val_top1 = accuracy;
    epoch.val_top5 = std::sqrt(accuracy);
    run.epochs.push_back(epoch);
  }
  return run;
}

ImageOutcome outcome(int label, int predicted) {
  ImageOutcome result;
  result.label = label;
  result.predicted = predicted;
  return result;
}

TEST(RoundTicks, AreRoundAndEncloseTheRange) {
  EXPECT_THAT(round_ticks({0.13, 0.94}, 5),
              ElementsAre(0, 0.2, testing::DoubleEq(0.4), testing::DoubleNear(0.6, 1e-12), 0.8, 1));
  EXPECT_THAT(round_ticks({1, 120}, 6), ElementsAre(0, 20, 40, 60, 80, 100, 120));
  EXPECT_THAT(round_ticks({-3, 4}, 3), ElementsAre(-5, 0, 5));
  for (const Range range : {Range{1, 1}, Range{0, 0}, Range{-2, -2}, Range{5, NAN}, Range{NAN, NAN}, Range{0, INFINITY},
                            Range{-1e308, 1e308}, Range{1e-300, 2e-300}, Range{1e15, 1e15 + 1}, Range{0.1, 1.7e308},
                            Range{1.7e308, 1.7e308}, Range{-1.7e308, 1}, Range{0, 5e-324}, Range{1e300, 1e300}}) {
    const std::vector<double> ticks = round_ticks(range, 5);
    ASSERT_GE(ticks.size(), 2U) << range.low << " " << range.high;
    EXPECT_LE(ticks.size(), 20U);
    EXPECT_LT(ticks.front(), ticks.back());
  }
}

TEST(Chart, EveryCurveIsDrawnInItsColour) {
  std::vector<RunSummary> runs;
  for (int i = 0; i < 7; ++i) runs.push_back(run_of("run" + std::to_string(i), {0.2, 0.3 + 0.05 * i, 0.5 + 0.05 * i}));
  const auto colors = colors_of(comparison_chart(runs));
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto found = colors.find(packed(curve_color(i)));
    ASSERT_NE(found, colors.end()) << i;
    EXPECT_GT(found->second, 100) << i;
  }
}

TEST(Chart, RunsWithoutFiguresAreNoProblem) {
  EXPECT_GT(colors_of(comparison_chart({run_of("empty", {})})).size(), 10U);
  EXPECT_GT(colors_of(results_chart(run_of("empty", {}))).size(), 10U);
  RunSummary odd = run_of("odd", {0.5, 0.5});
  odd.epochs[0].val_top1 = odd.epochs[1].train_loss = std::numeric_limits<double>::quiet_NaN();
  odd.epochs[1].val_loss = std::numeric_limits<double>::infinity();
  EXPECT_GT(colors_of(results_chart(odd)).size(), 10U);
}

TEST(Chart, RunsWithoutFiguresAreLeftOut) {
  const auto colors =
      colors_of(comparison_chart({run_of("one", {0.2, 0.5}), run_of("empty", {}), run_of("two", {0.6})}));
  EXPECT_TRUE(colors.contains(packed(curve_color(0))));
  EXPECT_FALSE(colors.contains(packed(curve_color(1))));
  EXPECT_TRUE(colors.contains(packed(curve_color(2))));
  RunSummary unvalidated = run_of("one", {0.2, 0.5});
  for (RunEpoch& epoch : unvalidated.epochs) epoch.val_loss = epoch.val_top1 = epoch.val_top5 = NAN;
  EXPECT_FALSE(colors_of(results_chart(unvalidated)).contains(packed(curve_color(1))));
}

Curve curve_through(const std::vector<double>& values) {
  Curve curve;
  for (const double value : values) curve.points.push_back({static_cast<double>(curve.points.size()), value});
  return curve;
}

TEST(ClipLevel, LeavesOutOnlyWhatIsFarAbove) {
  EXPECT_EQ(clip_level({curve_through({2.3, 1.8, 1.5, 1.2, 1.0, 1e5})}), 2.3);
  EXPECT_EQ(clip_level({curve_through({1e9, 2.3, 1.8, INFINITY}), curve_through({1.5, 1.2, 1.0, 3e4, NAN})}), 2.3);
  // Curves as they usually are, of a long run and of short ones.
  std::vector<double> falling;
  for (int i = 0; i < 100; ++i) falling.push_back(0.1 + 6.8 * std::exp(-0.2 * i));
  EXPECT_EQ(clip_level({curve_through(falling)}), falling.front());
  EXPECT_EQ(clip_level({curve_through({6.9, 2.5, 2.3})}), 6.9);
  EXPECT_EQ(clip_level({curve_through({20, 20, 0.1, 0.1})}), 20) << "half of them";
  EXPECT_EQ(clip_level({curve_through({6.9, 0.2})}), 6.9);
  EXPECT_EQ(clip_level({curve_through({3})}), 3);
  EXPECT_EQ(clip_level({curve_through({0, 0, 0})}), 0);
  EXPECT_EQ(clip_level({curve_through({})}), -INFINITY);
}

// How many rows of pixels the curve takes between its first two points.
int rows_of_first_step(const std::vector<double>& values, bool clipped) {
  Picture picture(400, 300);
  CurveChart chart;
  chart.curves = {curve_through(values)};
  chart.curves[0].color = curve_color(1);
  chart.clipped = clipped;
  draw_curves(picture, {0, 0, 400, 300}, chart);
  const auto path = std::filesystem::path(testing::TempDir()) / "convoy_clipped.png";
  picture.save(path);
  const Image image = load_image(path);
  std::filesystem::remove(path);
  int rows = 0;
  for (int y = 0; y < image.height(); ++y) {
    bool found = false;
    for (int x = 60; x < 130; ++x) {  // points are 82 pixels apart, from 56 on
      const uint8_t* pixel = image.row(y) + ptrdiff_t{3} * x;
      found = found || (pixel[0] > 180 && pixel[2] < 100);
    }
    rows += found ? 1 : 0;
  }
  return rows;
}

TEST(Chart, AnOutlierDoesNotFlattenTheOtherValues) {
  EXPECT_NEAR(rows_of_first_step({4, 3, 1e4, 2, 1}, true), rows_of_first_step({4, 3, 4, 2, 1}, true), 2);
  EXPECT_GT(rows_of_first_step({4, 3, 4, 2, 1}, true), 30);
  EXPECT_LT(rows_of_first_step({4, 3, 1e4, 2, 1}, false), 10);
  EXPECT_EQ(rows_of_first_step({4, 3, 3.5, 2, 1}, true), rows_of_first_step({4, 3, 3.5, 2, 1}, false));
}

TEST(ConfusionMatrixChart, CellsHaveTheShadeOfTheirShare) {
  // Of 4 cats one is taken for a dog; dogs are all right.
  const std::vector<ImageOutcome> outcomes = {outcome(0, 0), outcome(0, 0), outcome(0, 0), outcome(0, 1),
                                              outcome(1, 1)};
  const auto colors = colors_of(confusion_matrix_chart(make_evaluation_report({"cat", "dog"}, outcomes)));
  for (const double share : {0.0, 0.25, 0.75, 1.0}) {
    const auto found = colors.find(packed(shade(std::sqrt(share))));
    ASSERT_NE(found, colors.end()) << share;
    EXPECT_GT(found->second, 84 * 84 / 2) << share;
  }
}

TEST(ConfusionMatrixChart, AnyNumberOfClasses) {
  for (const size_t classes : {0U, 1U, 2U, 30U, 100U, 1000U}) {
    std::vector<std::string> names;
    for (size_t i = 0; i < classes; ++i) names.push_back("a rather long name of a class, number " + std::to_string(i));
    std::vector<ImageOutcome> outcomes;
    for (int i = 0; i < static_cast<int>(classes); ++i) outcomes.push_back(outcome(i, i / 2));
    const Picture picture = confusion_matrix_chart(make_evaluation_report(names, outcomes));
    EXPECT_LT(picture.width(), 1400);
    EXPECT_LT(picture.height(), 1400);
    EXPECT_GT(colors_of(picture).size(), 20U) << classes;
  }
}

TEST(ReliabilityChart, BarsAreAsHighAsTheAccuracy) {
  std::vector<ImageOutcome> outcomes(8);
  for (size_t i = 0; i < 8; ++i) {
    outcomes[i].confidence = i < 4 ? 0.9 : 0.5;
    outcomes[i].predicted = i < 4 && i != 0 ? 1 : 0;  // 1 of 4 right where 0.9 was claimed, all where 0.5 was
  }
  const auto colors = colors_of(reliability_chart(make_evaluation_report({"cat", "dog"}, outcomes)));
  // Bars 520/15 pixels wide and 380 (0.25 + 1) high, less their outlines; each has a line at its confidence.
  const int64_t bars = colors.at(packed(rgb(0x0072B2)));
  EXPECT_GT(bars, 520 / 15 * 380 * 1.25 * 0.93);
  EXPECT_LT(bars, 520 / 15 * 380 * 1.25 * 1.02);
  const int64_t lines = colors.at(packed(rgb(0xD55E00)));
  EXPECT_GT(lines, 2 * 2 * 520 / 15);
  EXPECT_LT(lines, 3 * 4 * 520 / 15);
  EXPECT_GT(colors_of(reliability_chart(make_evaluation_report({"cat"}, {}))).size(), 10U);
}

TEST(Shortened, EndsInAnEllipsisWithinTheWidth) {
  const Picture picture(1, 1);
  const TextStyle style;
  EXPECT_EQ(shortened(picture, "cat", style, 100), "cat");
  const std::string text = shortened(picture, "a very long name of a class", style, 60);
  EXPECT_LE(picture.text_width(text, style), 60);
  EXPECT_TRUE(text.ends_with("\u2026"));
  EXPECT_EQ(shortened(picture, "\u8774\u8776", style, 0), "\u2026");
}

TEST(ShortNumbers, AreReadable) {
  EXPECT_EQ(short_count(480), "480");
  EXPECT_EQ(short_count(25600), "25.6 k");
  EXPECT_EQ(short_count(25557032), "25.56 M");
  EXPECT_EQ(short_count(4089284608), "4.09 G");
  EXPECT_EQ(short_time(3.25), "3.25 s");
  EXPECT_EQ(short_time(192), "3:12 min");
  EXPECT_EQ(short_time(7384), "2:03:04 h");
}

// A loss that diverged would flatten the rest of the curve.
TEST(LearningRateChart, ADivergingLossIsClipped) {
  const auto chart_with_end = [](double end) {
    LearningRateCurve curve;
    for (int i = 0; i < 40; ++i) {
      const double loss = i == 39 ? end : 2.3 - 0.03 * i;
      curve.points.push_back({1e-5 * std::pow(1.4, i), loss, loss});
    }
    return colors_of(learning_rate_chart(curve));
  };
  EXPECT_EQ(chart_with_end(1e6), chart_with_end(1e3));
  EXPECT_NE(chart_with_end(1e6), chart_with_end(2.4));
}

}  // namespace
}  // namespace convoy
