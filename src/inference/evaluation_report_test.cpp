#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "convoy/error.h"
#include "convoy/evaluation.h"

namespace convoy {
namespace {

using testing::ElementsAre;

const std::vector<std::string> kNames = {"ant", "bee", "cow", "dog", "eel"};

// 20 images of four of the five classes. The expected figures below were worked out in exact fractions from the
// definitions.
std::vector<ImageOutcome> outcomes() {
  constexpr int kLabels[] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3};
  constexpr int kPredicted[] = {0, 0, 1, 0, 3, 1, 1, 0, 1, 2, 2, 1, 1, 2, 2, 1, 3, 3, 0, 3};
  constexpr double kConfidence[] = {0.31, 0.43, 0.85, 1.0,  0.32, 0.57, 0.61, 0.6,  0.8,  0.4,
                                    0.54, 0.64, 0.57, 0.69, 0.8,  0.97, 0.46, 0.74, 0.77, 0.47};
  std::vector<ImageOutcome> outcomes;
  for (int i = 0; i < 20; ++i) {
    const bool correct = kLabels[i] == kPredicted[i];
    outcomes.push_back({.image = std::to_string(i),
                        .label = kLabels[i],
                        .predicted = kPredicted[i],
                        .confidence = kConfidence[i],
                        .rank = correct ? 0 : 1 + i % 5,
                        .loss = 0.25});
  }
  return outcomes;
}

TEST(EvaluationReport, CountsAndShares) {
  const EvaluationReport report = make_evaluation_report(kNames, outcomes());
  EXPECT_EQ(report.total.images, 20);
  EXPECT_DOUBLE_EQ(report.total.top1, 13.0 / 20);
  EXPECT_DOUBLE_EQ(report.total.top5, 19.0 / 20);  // of the wrong ones only image 4 has rank 5
  EXPECT_DOUBLE_EQ(report.total.loss, 0.25);
  EXPECT_THAT(report.confusion,
              ElementsAre(ElementsAre(3, 1, 0, 1, 0), ElementsAre(1, 3, 0, 0, 0), ElementsAre(0, 2, 4, 0, 0),
                          ElementsAre(1, 1, 0, 3, 0), ElementsAre(0, 0, 0, 0, 0)));
  const double precision[] = {0.6, 3.0 / 7, 1, 0.75, 0};
  const double recall[] = {0.6, 0.75, 2.0 / 3, 0.6, 0};
  const double f1[] = {0.6, 0.5454545454545454, 0.8, 0.6666666666666666, 0};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(report.classes[i].class_name, kNames[i]);
    EXPECT_NEAR(report.classes[i].precision(), precision[i], 1e-12);
    EXPECT_NEAR(report.classes[i].recall(), recall[i], 1e-12);
    EXPECT_NEAR(report.classes[i].f1(), f1[i], 1e-12);
  }
  // The eel has no image and was never predicted: as in scikit-learn it does not count.
  EXPECT_NEAR(report.macro_average().precision, 0.6946428571428571, 1e-12);
  EXPECT_NEAR(report.macro_average().recall, 0.6541666666666667, 1e-12);
  EXPECT_NEAR(report.macro_average().f1, 0.6530303030303031, 1e-12);
}

TEST(EvaluationReport, CalibrationIsGuos) {
  const EvaluationReport report = make_evaluation_report(kNames, outcomes());
  EXPECT_NEAR(report.calibration_error, 0.269, 1e-12);
  ASSERT_EQ(report.calibration.size(), 15U);
  // A confidence on the border of two bins belongs to the lower.
  EXPECT_EQ(report.calibration[5].images, 1);
  EXPECT_NEAR(report.calibration[5].confidence, 0.4, 1e-12);
  EXPECT_EQ(report.calibration[8].images, 4);
  EXPECT_NEAR(report.calibration[8].confidence, 0.57, 1e-12);
  EXPECT_NEAR(report.calibration[8].accuracy, 0.5, 1e-12);
  EXPECT_EQ(report.calibration[14].images, 2);
  EXPECT_NEAR(report.calibration[14].lower, 14.0 / 15, 1e-12);
  EXPECT_EQ(report.calibration[14].upper, 1);
  EXPECT_EQ(report.calibration[0].images, 0);
}

TEST(EvaluationReport, TellsImagesThatWereTrainedOnFromOthers) {
  std::vector<ImageOutcome> some = outcomes();
  for (size_t i = 0; i < 5; ++i) some[i].trained_on = true;  // the ants, 3 of 5 right
  const EvaluationReport report = make_evaluation_report(kNames, some, true);
  EXPECT_EQ(report.trained_on, 5);
  EXPECT_DOUBLE_EQ(report.total.top1, 13.0 / 20);
  ASSERT_TRUE(report.not_trained_on.has_value());
  EXPECT_EQ(report.not_trained_on->images, 15);
  EXPECT_DOUBLE_EQ(report.not_trained_on->top1, 10.0 / 15);
  EXPECT_FALSE(make_evaluation_report(kNames, some, false).not_trained_on.has_value());
  EXPECT_FALSE(make_evaluation_report(kNames, outcomes(), true).not_trained_on.has_value());
  for (ImageOutcome& outcome : some) outcome.trained_on = true;
  EXPECT_FALSE(make_evaluation_report(kNames, some, true).not_trained_on.has_value());
}

TEST(EvaluationReport, FiveClassesHaveNoTop5) {
  EXPECT_FALSE(make_evaluation_report(kNames, outcomes()).has_top5());
  EXPECT_TRUE(make_evaluation_report({"a", "b", "c", "d", "e", "f"}, {}).has_top5());
}

TEST(EvaluationReport, TheWorstComesFirst) {
  const EvaluationReport report = make_evaluation_report(kNames, outcomes());
  const std::vector<Confusion> confusions = report.worst_confusions(2);
  ASSERT_EQ(confusions.size(), 2U);
  EXPECT_EQ(confusions[0].label, 2);
  EXPECT_EQ(confusions[0].predicted, 1);
  EXPECT_EQ(confusions[0].images, 2);
  EXPECT_EQ(confusions[1].label, 0);
  EXPECT_EQ(report.worst_confusions(100).size(), 6U);

  std::vector<std::string> errors;
  for (const ImageOutcome& outcome : report.confident_errors(3)) errors.push_back(outcome.image);
  EXPECT_THAT(errors, ElementsAre("15", "2", "18"));
  EXPECT_EQ(report.confident_errors(100).size(), 7U);
}

TEST(EvaluationReport, NothingAndNonsense) {
  const EvaluationReport empty = make_evaluation_report(kNames, {});
  EXPECT_EQ(empty.calibration_error, 0);
  EXPECT_EQ(empty.macro_average().f1, 0);
  EXPECT_EQ(make_evaluation_report({}, {}).classes.size(), 0U);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(make_evaluation_report(kNames, {{.image = "x", .confidence = nan}}).calibration[0].images, 1);
  EXPECT_THROW(make_evaluation_report(kNames, {{.image = "x", .label = 5}}), Error);
  EXPECT_THROW(make_evaluation_report(kNames, {{.image = "x", .predicted = -1}}), Error);
}

}  // namespace
}  // namespace convoy
