#include "convoy/find_lr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "convoy/error.h"
#include "train/testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;

std::vector<LearningRatePoint> curve_of(const std::vector<double>& losses) {
  std::vector<LearningRatePoint> points;
  for (const double loss : losses) points.push_back({std::pow(10.0, static_cast<double>(points.size())), loss, loss});
  return points;
}

// numpy.gradient(losses[10:-1]).argmin() + 10, as Lightning's lr_find suggests, away from the borders that gradient
// treats differently.
TEST(FindLr, SuggestsTheSteepestDescentBehindTheFirstPoints) {
  const std::vector<LearningRatePoint> points =
      curve_of({9, 3, 2.9, 2.9, 2.9, 2.9, 2.9, 2.9, 2.9, 2.9, 2.9, 2.8, 2.6, 2.2, 1.5, 1.2, 1.1, 1.1, 4, 9});
  EXPECT_DOUBLE_EQ(*steepest_descent(points), 1e13);
  std::vector<double> losses = {9, 3, 2.9, 2.9, 2.9, 2.9, 2.9, 2.9, 2.9, 2.9, 2.9, 2.8, 2.6, 2.2, 1.5, 1.2, 4, 9, 5, 4};
  EXPECT_DOUBLE_EQ(*steepest_descent(curve_of(losses)), 1e13) << "a fall behind the least loss counts for nothing";
  EXPECT_FALSE(steepest_descent(curve_of({3, 2, 1})).has_value());
  EXPECT_FALSE(steepest_descent(curve_of(std::vector<double>(20, 1.0))).has_value());
}

class FindLrTest : public testing::Test {
 protected:
  FindLrTest() {
    add_tiny_net();
    root_ = std::filesystem::path(testing::TempDir()) / "convoy_find_lr";
    std::filesystem::remove_all(root_);
    write_dataset(root_ / "data", 14);
    recipe_.data = (root_ / "data").string();
    recipe_.output = (root_ / "runs").string();
    recipe_.model = "tiny";
    recipe_.batch_size = 8;
    recipe_.workers = 0;
  }

  std::filesystem::path root_;
  Recipe recipe_;
};

TEST_F(FindLrTest, SweepsByEqualFactorsUntilTheLossDiverges) {
  const LearningRateSweep sweep{.first_lr = 1e-4, .last_lr = 1000, .updates = 60, .smoothing = 0.8};
  std::vector<double> heard;
  const LearningRateCurve curve =
      find_learning_rate(recipe_, sweep, [&](const LearningRatePoint& point) { heard.push_back(point.lr); });
  ASSERT_GT(curve.points.size(), 20U);
  EXPECT_TRUE(curve.diverged);
  EXPECT_LT(curve.points.size(), 60U);
  EXPECT_EQ(heard.size(), curve.points.size());
  EXPECT_DOUBLE_EQ(curve.points[0].lr, 1e-4);
  for (size_t i = 1; i < curve.points.size(); ++i) {
    EXPECT_NEAR(curve.points[i].lr / curve.points[i - 1].lr, std::pow(1e7, 1.0 / 59), 1e-9);
  }
  // The average of the losses so far with weights that fall by 0.8 from step to step.
  double sum = 0, weights = 0;
  for (size_t i = 0; i < curve.points.size(); ++i) {
    sum = 0.8 * sum + curve.points[i].loss;
    weights = 0.8 * weights + 1;
    EXPECT_NEAR(curve.points[i].smoothed, sum / weights, 1e-6 * sum) << i;
  }
  ASSERT_TRUE(curve.suggestion.has_value());
  EXPECT_GT(*curve.suggestion, 1e-3);
  EXPECT_LT(*curve.suggestion, 10);
  EXPECT_FALSE(std::filesystem::exists(root_ / "runs"));
}

TEST_F(FindLrTest, EndsWithTheLastRateOrWhenStopped) {
  const LearningRateSweep sweep{.first_lr = 1e-6, .last_lr = 1e-5, .updates = 12};
  recipe_.grad_accum_steps = 2;
  const LearningRateCurve curve = find_learning_rate(recipe_, sweep);
  EXPECT_EQ(curve.points.size(), 12U);
  EXPECT_NEAR(curve.points.back().lr, 1e-5, 1e-12);
  EXPECT_FALSE(curve.diverged);
  std::atomic<bool> stop = false;
  EXPECT_EQ(find_learning_rate(
                recipe_, sweep, [&](const LearningRatePoint&) { stop = true; }, &stop)
                .points.size(),
            1U);
}

TEST_F(FindLrTest, AProgressiveRecipeIsSweptInItsLastStage) {
  const LearningRateSweep sweep{.first_lr = 1e-6, .last_lr = 1e-5, .updates = 3};
  recipe_.model = "tiny_pooled";
  recipe_.drop = 0.3;
  recipe_.mixup = 0.4;
  recipe_.aa = "rand-m9";
  const LearningRateCurve expected = find_learning_rate(recipe_, sweep);
  recipe_.progressive_stages = 2;
  recipe_.progressive_img_size = 5;
  recipe_.progressive_drop = 0.1;
  recipe_.progressive_mixup = 0;
  recipe_.progressive_magnitude = 3;
  const LearningRateCurve curve = find_learning_rate(recipe_, sweep);
  ASSERT_EQ(curve.points.size(), expected.points.size());
  for (size_t i = 0; i < curve.points.size(); ++i) EXPECT_EQ(curve.points[i].loss, expected.points[i].loss);
}

TEST_F(FindLrTest, ASweepThatIsNoneIsRefused) {
  try {
    find_learning_rate(recipe_, {.first_lr = 1, .last_lr = 0.1});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("expected 0 < first < last <= 1000, got 1 and 0.1"));
  }
}

}  // namespace
}  // namespace convoy
