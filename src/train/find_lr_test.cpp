#include "convoy/find_lr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "core/random.h"
#include "inference/testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;

// The rate of the i-th point, in hundredths of eight decades.
double rate(size_t i) { return 1e-7 * std::pow(10.0, 0.08 * static_cast<double>(i)); }

// What fastai's valley() and minimum() give for these losses without the first ten, in double precision, and
// numpy.gradient(losses)[10:least].argmin() + 10, which Lightning's suggestion is.
TEST(FindLr, TheRulesAreFastaisAndLightnings) {
  LearningRateCurve curve;
  for (size_t i = 0; i < 90; ++i) {
    const auto x = static_cast<double>(i);
    double loss = 2.3 - std::exp(-std::pow((x - 55) / 15, 2)) + 0.05 * std::sin(1.7 * x);
    if (i > 70) loss += 0.005 * (x - 70) * (x - 70);
    curve.points.push_back({rate(i), 2.3, loss});
  }
  advise(curve, 0);
  ASSERT_TRUE(curve.advice.has_value());
  EXPECT_DOUBLE_EQ(curve.advice->valley, rate(44));
  EXPECT_DOUBLE_EQ(curve.advice->minimum, rate(55) / 10);
  EXPECT_DOUBLE_EQ(curve.advice->steepest, rate(46));
}

// A curve of a known shape: flat at 2.3 up to a rate of 1e-4, straight down to 2.3 - fall at 1e-2, flat up to 0.1, then
// up; with normal noise.
LearningRateCurve noisy_curve(double fall, double deviation, uint64_t seed) {
  constexpr double kSmoothing = 0.8;
  RandomStream random(seed, "losses", 0);
  LearningRateCurve curve;
  double average = 0, weight = 0;
  for (size_t i = 0; i < 100; ++i) {
    const double decade = std::log10(rate(i));
    const double share = std::clamp((decade + 4) / 2, 0.0, 1.0), beyond = std::max(0.0, decade + 1);
    const double loss = 2.3 - fall * share + 20 * fall * beyond + deviation * static_cast<double>(random.normal());
    average = kSmoothing * average + loss;
    weight = kSmoothing * weight + 1;
    curve.points.push_back({rate(i), loss, average / weight});
  }
  advise(curve, kSmoothing);
  return curve;
}

TEST(FindLr, AsksForAFallThatIsMoreThanNoise) {
  int false_alarms = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const LearningRateCurve flat = noisy_curve(0, 0.3, seed), real = noisy_curve(1, 0.3, seed);
    false_alarms += flat.advice ? 1 : 0;
    ASSERT_TRUE(real.advice.has_value()) << seed;
    EXPECT_NEAR(real.noise, 0.1, 0.05) << seed;  // 0.3 sqrt(0.2 / 1.8)
    EXPECT_GT(real.advice->suggestion, 4e-3) << seed;
    EXPECT_LT(real.advice->suggestion, 0.2) << seed;
  }
  EXPECT_LE(false_alarms, 2);  // of 200: the losses of one curve depend on one another
}

TEST(FindLr, FewPointsGiveNoAdvice) {
  LearningRateCurve curve = noisy_curve(1, 0.01, 1);
  EXPECT_NEAR(curve.start, 2.3, 0.02);
  EXPECT_NEAR(curve.least, 1.3, 0.02);
  curve.points.resize(19);
  advise(curve, 0.8);
  EXPECT_FALSE(curve.advice.has_value());
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
  ASSERT_TRUE(curve.advice.has_value());
  EXPECT_GT(curve.advice->suggestion, 1e-3);
  EXPECT_LT(curve.advice->suggestion, 10);
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
