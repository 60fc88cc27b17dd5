#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "convoy/train.h"
#include "formats/safetensors.h"
#include "train/run_folder.h"
#include "train/trainer_testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(TrainerTest, LearnsAndLeavesAWholeRunFolder) {
  recipe_.epochs = 8;
  std::vector<EpochReport> epochs;
  std::vector<double> losses;
  TrainStart start;
  callbacks_.on_train_begin = [&](const TrainStart& report) { start = report; };
  callbacks_.on_step_end = [&](const StepReport& report) { losses.push_back(report.step_loss); };
  callbacks_.on_epoch_end = [&](const EpochReport& report) { epochs.push_back(report); };
  const TrainResult result = train(recipe_, callbacks_, nullptr, "convoy train data");

  EXPECT_EQ(result.ending, TrainEnding::finished);
  EXPECT_EQ(start.train_images, 42);
  EXPECT_EQ(start.val_images, 15);
  EXPECT_EQ(start.steps_per_epoch, 5);
  EXPECT_EQ(start.parameters, 3 * 3 * 3 * 8 + 8 + 8 + 4 * 4 * 8 * 3 + 3);
  EXPECT_EQ(start.multiply_adds, 4 * 4 * 8 * 3 * 3 * 3 + 4 * 4 * 8 * 3);
  EXPECT_EQ(losses.size(), 40U);
  ASSERT_EQ(epochs.size(), 8U);
  EXPECT_LT(epochs.back().train_loss, 0.6 * epochs.front().train_loss);
  ASSERT_TRUE(result.val.has_value());
  EXPECT_EQ(result.val->images, 15);
  EXPECT_GE(result.val->top1, 0.9);
  EXPECT_EQ(result.val->top5, 1);
  EXPECT_GE(*result.best, result.val->top1);

  const auto folder = run("run");
  EXPECT_EQ(result.folder, folder);
  Recipe resolved;
  read_recipe(resolved, folder / "recipe.toml");
  EXPECT_EQ(resolved.img_size, kSide);
  EXPECT_EQ(resolved.lr, 0.05);
  EXPECT_THAT(bytes_of(folder / "command.txt"), HasSubstr(": convoy train data\n"));
  for (const char* file : {"best.safetensors", "last.safetensors"}) {
    EXPECT_EQ(SafetensorsReader(folder / file).tensor("fc.weight").shape, (std::vector<int64_t>{kClasses, 128}));
  }
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(TrainerTest, TheSameForAnyNumberOfThreads) {
  set_thread_count(1);
  train(named("one"));
  const std::string expected = bytes_of(run("one") / "last.safetensors");
  for (const int64_t threads : {2, 3}) {
    Recipe recipe = named("threads" + std::to_string(threads));
    recipe.threads = threads;
    recipe.workers = 3 - threads;
    train(recipe);
    EXPECT_TRUE(bytes_of(run(recipe.experiment) / "last.safetensors") == expected) << threads;
  }
  Recipe other = named("other");
  other.seed = 1;
  train(other);
  EXPECT_FALSE(bytes_of(run("other") / "last.safetensors") == expected);
}

TEST_F(TrainerTest, CostsAddUpOverResumes) {
  std::optional<TrainResult> heard;
  callbacks_.on_train_end = [&](const TrainResult& result) { heard = result; };
  const TrainResult stopped = train_until(recipe_, 7);
  ASSERT_TRUE(heard.has_value());
  EXPECT_EQ(heard->ending, TrainEnding::interrupted);
  EXPECT_EQ(heard->cost.wall_seconds, stopped.cost.wall_seconds);
  EXPECT_EQ(stopped.cost.train_images, 7 * 8);
  EXPECT_EQ(stopped.cost.val_images, 15);
  EXPECT_GT(stopped.cost.train_seconds, 0);
  EXPECT_LE(stopped.cost.train_seconds + stopped.cost.val_seconds, stopped.cost.wall_seconds);
  EXPECT_GT(stopped.cost.cpu_seconds, 0);
  EXPECT_GT(stopped.cost.peak_bytes, 1 << 20);

  recipe_.resume = true;
  std::vector<RunCost> costs;
  callbacks_.on_epoch_end = [&](const EpochReport& report) { costs.push_back(report.cost); };
  const TrainResult finished = train(recipe_, callbacks_);
  EXPECT_EQ(heard->ending, TrainEnding::finished);
  EXPECT_EQ(finished.cost.train_images, 15 * 8);
  EXPECT_EQ(finished.cost.val_images, 3 * 15);
  ASSERT_EQ(costs.size(), 2U);
  EXPECT_GT(costs[0].train_seconds, stopped.cost.train_seconds);
  EXPECT_GT(costs[0].val_seconds, stopped.cost.val_seconds);
  EXPECT_GT(costs[1].wall_seconds, costs[0].wall_seconds);
  EXPECT_GT(finished.cost.wall_seconds, costs[1].wall_seconds);
}

TEST_F(TrainerTest, StagesGrow) {
  recipe_.model = "tiny_pooled";
  recipe_.epochs = 4;
  recipe_.progressive_stages = 2;
  recipe_.progressive_img_size = 4;
  recipe_.drop = 0.4;
  recipe_.progressive_drop = 0.2;
  std::vector<std::string> seen;
  callbacks_.on_epoch_begin = [&](const EpochStart& start) {
    seen.push_back(std::to_string(start.epoch) + ": " + std::to_string(start.image_size) + " " +
                   std::to_string(static_cast<int>(std::lround(100 * *start.drop))));
  };
  callbacks_.on_epoch_end = [&](const EpochReport& report) { seen.push_back(std::to_string(report.epoch)); };
  const TrainResult result = train(recipe_, callbacks_);
  EXPECT_THAT(seen, testing::ElementsAre("0: 4 20", "0", "1: 4 20", "1", "2: 8 40", "2", "3: 8 40", "3"));
  EXPECT_EQ(result.val->images, 15);
  Recipe fixed = named("fixed");
  fixed.model = "tiny";
  fixed.progressive_stages = 2;
  fixed.progressive_img_size = 4;
  EXPECT_THAT(complaint(fixed), HasSubstr("progressive-img-size: the weights of tiny depend on the image size"));
  fixed.progressive_img_size = 9;
  EXPECT_THAT(complaint(fixed), HasSubstr("progressive-img-size: expected at most img-size, which is 8, got 9"));
}

TEST_F(TrainerTest, PatienceEndsARunThatGetsNoBetter) {
  recipe_.epochs = 50;
  recipe_.patience = 3;
  recipe_.lr = 0;  // the accuracy never changes but by the running statistics
  recipe_.model = "tiny_pooled";
  const TrainResult result = train(recipe_, callbacks_);
  EXPECT_EQ(result.ending, TrainEnding::no_progress);
  EXPECT_EQ(result.epochs, result.best_epoch + 1 + 3);
  EXPECT_TRUE(std::filesystem::exists(run("run") / "last.safetensors"));
  recipe_.resume = true;
  int64_t steps = 0;
  callbacks_.on_step_end = [&](const StepReport&) { ++steps; };
  EXPECT_EQ(train(recipe_, callbacks_).ending, TrainEnding::no_progress);
  EXPECT_EQ(steps, 0);
  recipe_.patience = 4;
  EXPECT_GE(train(recipe_, callbacks_).epochs, result.epochs + 1);
}

TEST_F(TrainerTest, PatienceWaitsForTheNextValidation) {
  recipe_.epochs = 50;
  recipe_.patience = 3;
  recipe_.eval_interval = 5;
  recipe_.lr = 0;
  recipe_.model = "tiny_pooled";
  const TrainResult result = train(recipe_, callbacks_);
  EXPECT_EQ(result.ending, TrainEnding::no_progress);
  EXPECT_EQ(result.epochs, result.best_epoch + 1 + 5);
  EXPECT_TRUE(result.val.has_value());
}

TEST_F(TrainerTest, TheTimeLimitStopsAndTheRunGoesOn) {
  train(named("whole"), callbacks_);
  recipe_.time = 1e-9;
  const TrainResult result = train(recipe_, callbacks_);
  EXPECT_EQ(result.ending, TrainEnding::out_of_time);
  EXPECT_EQ(result.epochs, 0);
  recipe_.resume = true;
  recipe_.time = 0;
  EXPECT_EQ(train(recipe_, callbacks_).ending, TrainEnding::finished);
  EXPECT_TRUE(bytes_of(run("run") / "last.safetensors") == bytes_of(run("whole") / "last.safetensors"));
}

TEST_F(TrainerTest, TheBestIsSavedOnlyAboveTheTarget) {
  recipe_.epochs = 8;
  recipe_.lr = 0.005;
  std::vector<double> top1;
  callbacks_.on_epoch_end = [&](const EpochReport& report) { top1.push_back(report.val->top1); };
  const double best = *train(named("free"), callbacks_).best;
  ASSERT_GT(best, top1.front());

  const double target = (top1.front() + best) / 2;
  recipe_.save_best_above = target;
  bool above = false;
  callbacks_.on_epoch_end = [&](const EpochReport& report) {
    above = above || report.val->top1 > target;
    EXPECT_EQ(std::filesystem::exists(run("run") / "best.safetensors"), above) << "epoch " << report.epoch;
    EXPECT_EQ(report.saved_best, report.best && report.val->top1 > target);
  };
  train(recipe_, callbacks_);
  EXPECT_TRUE(above);

  Recipe without = named("without");
  without.data = (root_ / "data/train").string();
  EXPECT_THAT(complaint(without), HasSubstr("has no images to validate with; give --val FOLDER"));
  EXPECT_FALSE(std::filesystem::exists(run("without")));
}

TEST_F(TrainerTest, SlowWeightsKeepWhatStartsFromImages) {
  recipe_.model = "airbench94";
  recipe_.epochs = 1;
  for (const int64_t lookahead : {0, 2}) {
    Recipe recipe = named(lookahead == 0 ? "plain" : "slow");
    recipe.lookahead = lookahead;
    train(recipe, callbacks_);
  }
  const auto whiten = [&](const char* name) {
    return SafetensorsReader(run(name) / "last.safetensors").floats("whiten.weight");
  };
  EXPECT_EQ(whiten("slow"), whiten("plain"));
}

TEST_F(TrainerTest, ALossThatIsNotFiniteStopsAndKeepsTheLastState) {
  // A rate that explodes from the second epoch on.
  recipe_.lr = 1e3;
  recipe_.weight_decay = 1e3;
  recipe_.warmup_epochs = 1;
  recipe_.warmup_lr = 1e-3;
  recipe_.epochs = 50;
  const std::string message = complaint(recipe_);
  EXPECT_THAT(message, testing::AnyOf(HasSubstr("the loss is "), HasSubstr("is not finite")));
  EXPECT_THAT(message, HasSubstr("after step "));
  EXPECT_THAT(message, HasSubstr("the state after step 5 is kept in"));
  EXPECT_THAT(message, HasSubstr("smaller learning rate than 1000"));
  const SafetensorsReader last(run("run") / "last.safetensors");
  for (const float x : last.floats("fc.weight")) EXPECT_TRUE(std::isfinite(x));
}

TEST_F(TrainerTest, ALossThatIsNotFiniteFromTheStartIsNotTheRates) {
  recipe_.std = {1e-38, 1e-38, 1e-38};
  const std::string message = complaint(recipe_);
  EXPECT_THAT(message, HasSubstr("after step 1 (epoch 1, step 1 of 5); nothing was saved before; no update was made"));
  EXPECT_THAT(message, HasSubstr("check mean, std"));
  EXPECT_THAT(message, testing::Not(HasSubstr("learning rate than")));
}

TEST_F(TrainerTest, AnAverageThatLagsFarBehindIsWarnedOf) {
  recipe_.model_ema = true;  // 15 updates: 15^(2/3) = 6.1
  train(recipe_, callbacks_);
  EXPECT_THAT(warnings_, testing::ElementsAre(HasSubstr("model-ema: an average lags some 6 of the run's 15 updates")));
  warnings_.clear();
  recipe_.model_ema_decay = 0.5;
  train(named("short_memory"), callbacks_);
  EXPECT_THAT(warnings_, testing::IsEmpty());
}

TEST_F(TrainerTest, UnfreezingTrainsTheRestFromItsEpochOn) {
  recipe_.freeze = "all-but-head";
  recipe_.unfreeze_after = 1;
  std::vector<bool> frozen;
  std::map<int64_t, std::vector<float>> weights;
  const auto tensor = [&](const char* name) { return SafetensorsReader(run("run") / "last.safetensors").floats(name); };
  callbacks_.on_epoch_begin = [&](const EpochStart& start) {
    frozen.push_back(start.frozen);
    if (start.epoch == 0) return;
    weights[start.epoch] = tensor("conv.weight");
    weights[10 + start.epoch] = tensor("bn.running_mean");
  };
  TrainStart begun;
  callbacks_.on_train_begin = [&](const TrainStart& start) { begun = start; };
  train(recipe_, callbacks_);
  EXPECT_THAT(frozen, testing::ElementsAre(true, false, false));
  EXPECT_THAT(weights[11], testing::Each(0.0F));
  EXPECT_NE(weights[2], weights[1]);
  EXPECT_NE(weights[12], weights[11]);
  EXPECT_EQ(begun.frozen_parameters, 3 * 3 * 3 * 8 + 16);
  EXPECT_EQ(begun.parameters, 3 * 3 * 3 * 8 + 16 + 3 * (8 * 16 + 1));
  recipe_.experiment = "still";
  recipe_.epochs = 2;
  recipe_.unfreeze_after = 2;
  EXPECT_THAT(complaint(recipe_), HasSubstr("unfreeze-after: expected fewer than the 2 epochs, got 2"));
  recipe_.freeze.clear();
  EXPECT_THAT(complaint(recipe_), HasSubstr("unfreeze-after: expected freeze, too"));
}

TEST_F(TrainerTest, AValidationLossThatIsNotFiniteStopsBeforeAnythingIsSaved) {
  // One step, whose loss is still that of the first weights; after it the 32nd powers overflow.
  add_model({.name = "powers", .description = "a test", .build = [](Builder b, Value x, const ModelOptions& options) {
               x = linear(b / "fc", global_avg_pool(x),
                          {.out_features = options.num_classes,
                           .weight_start = Initializer::constant(0.01F),
                           .bias_start = Initializer::constant(1)});
               for (int i = 0; i < 5; ++i) x = mul(x, x);
               return x;
             }});
  recipe_.model = "powers";
  recipe_.img_size = kSide;
  recipe_.batch_size = 42;
  recipe_.epochs = 1;
  recipe_.lr = 1000;
  EXPECT_THAT(complaint(recipe_), HasSubstr("the validation loss is not a number after step 1"));
  EXPECT_FALSE(std::filesystem::exists(run("run") / "best.safetensors"));
}

TEST_F(TrainerTest, ABatchThatDoesNotFitIsRefusedBeforeTheFirstStep) {
  add_model({.name = "pooled", .description = "a test", .build = [](Builder b, Value x, const ModelOptions& options) {
               x = conv2d(b / "conv", x, {.out_channels = 8, .kernel = 3});
               return linear(b / "fc", global_avg_pool(relu(x)), {.out_features = options.num_classes, .head = true});
             }});
  recipe_.model = "pooled";
  recipe_.img_size = 16384;
  recipe_.batch_size = 32;
  const std::string message = complaint(recipe_);
  EXPECT_THAT(message, HasSubstr("memory: pooled at batch size 32 and image size 16384 needs at least "));
  EXPECT_THAT(message, HasSubstr("fit"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "runs"));
}

TEST_F(TrainerTest, BadImagesAreNamedAndSkippedWhenAsked) {
  for (const char* file : {"train/class0/image2.png", "val/class1/image1.png"}) {
    std::ofstream(root_ / "data" / file) << "not a picture";
  }
  EXPECT_THAT(complaint(recipe_), testing::AnyOf(HasSubstr("image2.png"), HasSubstr("image1.png")));
  recipe_.on_bad_image = Recipe::OnBadImage::skip;
  recipe_.resume = true;
  const TrainResult result = train(recipe_, callbacks_);
  EXPECT_EQ(result.val->images, 14);
  EXPECT_THAT(warnings_, testing::UnorderedElementsAre(HasSubstr("image2.png"), HasSubstr("image1.png")));
}

TEST_F(TrainerTest, DamagedImagesThatCanBeReadAreNamedAndCounted) {
  std::filesystem::copy_file(std::filesystem::path(CONVOY_SOURCE_DIR) / "tests/data/images/damaged_png_no_iend.png",
                             root_ / "data/train/class0/image2.png", std::filesystem::copy_options::overwrite_existing);
  train(recipe_, callbacks_);
  EXPECT_THAT(warnings_, testing::ElementsAre(testing::AllOf(HasSubstr("1 damaged image was read all the same: "),
                                                             HasSubstr("image2.png: damaged PNG: "))));
  recipe_.on_bad_image = Recipe::OnBadImage::strict;
  recipe_.experiment = "strict";
  EXPECT_THAT(complaint(recipe_), HasSubstr("image2.png: damaged PNG: "));
}

TEST_F(TrainerTest, ValidationNeedsAnImageThatCanBeRead) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root_ / "data/val")) {
    if (entry.is_regular_file()) std::ofstream(entry.path()) << "not a picture";
  }
  recipe_.on_bad_image = Recipe::OnBadImage::skip;
  EXPECT_THAT(complaint(recipe_), HasSubstr("none of the 15 validation images can be read"));
  EXPECT_FALSE(std::filesystem::exists(run("run") / "best.safetensors"));
}

TEST_F(TrainerTest, OneProcessAtATimeTrainsInAFolder) {
  std::filesystem::create_directories(run("run"));
  {
    const RunFolderLock lock(run("run"));
    EXPECT_THAT(complaint(recipe_), HasSubstr("another process trains here"));
  }
  EXPECT_EQ(train(recipe_, callbacks_).ending, TrainEnding::finished);
}

TEST_F(TrainerTest, OtherClassesInValidationAreRefused) {
  std::filesystem::rename(root_ / "data/val/class2", root_ / "data/val/class3");
  EXPECT_THAT(complaint(recipe_), HasSubstr("class3"));
}

TEST_F(TrainerTest, ASplitGivesValidationImages) {
  recipe_.data = (root_ / "data/train").string();
  recipe_.val_split = 0.25;
  recipe_.epochs = 1;
  TrainStart start;
  callbacks_.on_train_begin = [&](const TrainStart& report) { start = report; };
  train(recipe_, callbacks_);
  EXPECT_EQ(start.val_images, 12);
  EXPECT_EQ(start.train_images, 30);
  recipe_ = named("conflict");
  recipe_.data = (root_ / "data").string();
  EXPECT_THAT(complaint(recipe_), HasSubstr("val-split: expected 0"));
}

TEST_F(TrainerTest, TrainsWithoutValidationAndWithFewImages) {
  recipe_.data = (root_ / "data/train").string();
  recipe_.batch_size = 1000;
  recipe_.epochs = 2;
  TrainStart start;
  callbacks_.on_train_begin = [&](const TrainStart& report) { start = report; };
  const TrainResult result = train(recipe_, callbacks_);
  EXPECT_EQ(start.batch_size, 42);
  EXPECT_EQ(start.steps_per_epoch, 1);
  EXPECT_FALSE(result.val.has_value());
  EXPECT_GT(*result.best, 0);
  EXPECT_THAT(warnings_, testing::ElementsAre(HasSubstr("--val-split"), HasSubstr("42 training images")));
}

TEST_F(TrainerTest, ClassNamesAreUtf8) {
  for (const char* split : {"train", "val"}) {
    std::filesystem::rename(root_ / "data" / split / "class1", root_ / "data" / split / "caf\xE9");
  }
  EXPECT_THAT(complaint(recipe_), HasSubstr("the class 'caf?' has a name that is not UTF-8"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "runs"));
}

TEST_F(TrainerTest, MistakesAreNamed) {
  Recipe recipe = recipe_;
  recipe.model = "tinny";
  EXPECT_THAT(complaint(recipe), HasSubstr("did you mean 'tiny'?"));
  recipe = recipe_;
  recipe.data = (root_ / "nowhere").string();
  EXPECT_THAT(complaint(recipe), HasSubstr("nowhere"));
  recipe = recipe_;
  recipe.epochs = 0;
  EXPECT_THAT(complaint(recipe), HasSubstr("epochs: expected"));
  recipe = recipe_;
  recipe.grad_accum_steps = 16;
  EXPECT_THAT(complaint(recipe), HasSubstr("grad-accum-steps: expected at most the run's 15 batches, got 16"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "runs"));
}

}  // namespace
}  // namespace convoy
