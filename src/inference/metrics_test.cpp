#include "inference/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace convoy {
namespace {

// Losses, ranks and probabilities are those of torch 2.15 in double precision.
constexpr float kLogits[4][7] = {{-3.38F, -3.46F, -0.75F, -1.3F, 2.55F, 2.08F, -0.95F},
                                 {-6.35F, 0.97F, -3.79F, 1.05F, 0.92F, 0.5F, 2.62F},
                                 {-0.43F, -0.33F, -1.84F, 0.09F, -1.48F, 0.75F, 1.85F},
                                 {-1.24F, -2.52F, -6.95F, -0.31F, 2.38F, -0.87F, 0.16F}};
constexpr int kLabels[] = {3, 0, 6, 2};
constexpr double kLosses[] = {4.391437240174898, 9.50332001203944, 0.5771788056767941, 9.552809185899937};

TEST(Metrics, SumsAreTorchs) {
  ClassificationSums sums;
  add_batch({kLogits[0], 14}, {kLabels, 2}, sums);
  add_batch({kLogits[2], 14}, {kLabels + 2, 2}, sums);
  EXPECT_EQ(sums.samples, 4);
  EXPECT_DOUBLE_EQ(sums.top1_share(), 0.25);
  EXPECT_DOUBLE_EQ(sums.top5_share(), 0.5);
  EXPECT_NEAR(sums.mean_loss(), (kLosses[0] + kLosses[1] + kLosses[2] + kLosses[3]) / 4, 1e-6);
}

TEST(Metrics, TopClassesAndProbabilities) {
  EXPECT_THAT(top_classes(kLogits[0], 3), testing::ElementsAre(4, 5, 2));
  EXPECT_EQ(top_classes(kLogits[0], 99).size(), 7U);
  const std::vector<double> probabilities = softmax_of(kLogits[1]);
  EXPECT_NEAR(probabilities[6], 0.586653911363884, 1e-7);
  EXPECT_NEAR(probabilities[0], 7.460373298154391e-05, 1e-10);
  EXPECT_NEAR(cross_entropy_of(kLogits[2], 6), kLosses[2], 1e-6);
}

TEST(Metrics, LargeLogitsDoNotOverflow) {
  const float logits[] = {3e38F, -3e38F};
  EXPECT_EQ(softmax_of(logits)[0], 1);
  EXPECT_EQ(cross_entropy_of(logits, 0), 0);
}

TEST(Metrics, AnOutcomeSaysWhatTheLogitsSay) {
  const ImageOutcome wrong = outcome_of("a.png", kLogits[0], 3);
  EXPECT_EQ(wrong.image, "a.png");
  EXPECT_EQ(wrong.label, 3);
  EXPECT_EQ(wrong.predicted, 4);
  EXPECT_EQ(wrong.rank, 4);
  EXPECT_NEAR(wrong.loss, kLosses[0], 1e-6);
  EXPECT_NEAR(outcome_of("b.png", kLogits[1], 6).confidence, 0.586653911363884, 1e-7);
  EXPECT_TRUE(outcome_of("c.png", kLogits[2], 6).correct());
}

TEST(Metrics, TiesGoToTheLowerClass) {
  const float logits[] = {1, 2, 2, 2};
  EXPECT_EQ(rank_of(logits, 1), 0);
  EXPECT_EQ(rank_of(logits, 3), 2);
  EXPECT_THAT(top_classes(logits, 4), testing::ElementsAre(1, 2, 3, 0));
}

TEST(Metrics, NanIsNeverRight) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float logits[] = {nan, 2, nan};
  EXPECT_EQ(rank_of(logits, 1), 2);
  EXPECT_TRUE(std::isnan(cross_entropy_of(logits, 1)));
}

}  // namespace
}  // namespace convoy
