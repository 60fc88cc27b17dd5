#include "train/stages.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace convoy {
namespace {

// EfficientNetV2-S as table 6 of arXiv 2104.00298 has it: 128 to 300 pixels and dropout 0.1 to 0.3 in 4 stages.
TEST(Stages, GrowInEqualStepsOverEqualParts) {
  Recipe recipe;
  recipe.epochs = 350;
  recipe.img_size = 300;
  recipe.drop = 0.3;
  recipe.mixup = 0.5;
  recipe.progressive_stages = 4;
  recipe.progressive_img_size = 128;
  recipe.progressive_drop = 0.1;
  recipe.progressive_mixup = 0;
  recipe.aa = "rand-mstd0.5-m15";
  recipe.progressive_magnitude = 5;
  const std::vector<Stage> stages = stages_of(recipe);
  ASSERT_EQ(stages.size(), 4U);
  const int64_t ends[] = {87, 175, 262, 350}, sizes[] = {128, 185, 243, 300};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(stages[i].end_epoch, ends[i]);
    EXPECT_EQ(stages[i].image_size, sizes[i]);
    EXPECT_NEAR(*stages[i].drop, 0.1 + 0.2 * static_cast<double>(i) / 3, 1e-12);
    const char* policies[] = {"rand-mstd0.5-m15-m5.000", "rand-mstd0.5-m15-m8.333", "rand-mstd0.5-m15-m11.667",
                              "rand-mstd0.5-m15-m15.000"};
    EXPECT_EQ(stages[i].aa, policies[i]);
    EXPECT_NEAR(stages[i].mixup, 0.5 * static_cast<double>(i) / 3, 1e-12);
  }
  EXPECT_EQ(stage_at(stages, 0), 0U);
  EXPECT_EQ(stage_at(stages, 86), 0U);
  EXPECT_EQ(stage_at(stages, 87), 1U);
  EXPECT_EQ(stage_at(stages, 349), 3U);
  EXPECT_EQ(stage_at(stages, 350), 3U);
  const double third = 243.0 * 243 / (185 * 185), fourth = 300.0 * 300 / (185 * 185);
  EXPECT_NEAR(later_epochs(stages, 173, 350), 1 + 87 * third + 88 * fourth, 1e-9);
  EXPECT_NEAR(later_epochs(stages, 173, 263.5), 1 + 87 * third + 1.5 * fourth, 1e-9);
  EXPECT_NEAR(later_epochs(stages, 173, 200.25), 1 + 25.25 * third, 1e-9);
  EXPECT_EQ(later_epochs(stages, 173, 173.5), 0);
  EXPECT_EQ(later_epochs(stages, 349, 350), 0);
}

TEST(Stages, EndsOfFreezingDivideThem) {
  Recipe recipe;
  recipe.epochs = 12;
  recipe.img_size = 64;
  recipe.freeze = "conv1";
  const auto ends = [&](int64_t unfreeze_after) {
    recipe.unfreeze_after = unfreeze_after;
    std::vector<std::pair<int64_t, bool>> all;
    for (const Stage& stage : stages_of(recipe)) all.emplace_back(stage.end_epoch, stage.frozen);
    return all;
  };
  using Ends = std::vector<std::pair<int64_t, bool>>;
  EXPECT_EQ(ends(0), (Ends{{12, true}}));
  EXPECT_EQ(ends(5), (Ends{{5, true}, {12, false}}));
  recipe.progressive_stages = 3;
  recipe.progressive_img_size = 32;
  EXPECT_EQ(ends(5), (Ends{{4, true}, {5, true}, {8, false}, {12, false}}));
  EXPECT_EQ(ends(8), (Ends{{4, true}, {8, true}, {12, false}}));
  EXPECT_EQ(stages_of(recipe)[1].image_size, 48);
}

TEST(Stages, OneHasWhatTheRecipeSays) {
  Recipe recipe;
  recipe.img_size = 64;
  recipe.mixup = 0.2;
  const std::vector<Stage> stages = stages_of(recipe);
  ASSERT_EQ(stages.size(), 1U);
  EXPECT_EQ(stages[0].end_epoch, recipe.epochs);
  EXPECT_EQ(stages[0].image_size, 64);
  EXPECT_FALSE(stages[0].drop.has_value());
  EXPECT_EQ(stages[0].mixup, 0.2);
}

}  // namespace
}  // namespace convoy
