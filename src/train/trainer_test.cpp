#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "convoy/train.h"
#include "core/parallel.h"
#include "formats/safetensors.h"
#include "train/testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class TrainerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { add_tiny_net(); }

  TrainerTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    root_ = std::filesystem::path(testing::TempDir()) / "convoy_trainer" / test->name();
    std::filesystem::remove_all(root_);
    write_dataset(root_ / "data" / "train", 14);
    write_dataset(root_ / "data" / "val", 5);
    recipe_.data = (root_ / "data").string();
    recipe_.output = (root_ / "runs").string();
    recipe_.experiment = "run";
    recipe_.model = "tiny";
    recipe_.batch_size = 8;  // five steps an epoch, two images left out
    recipe_.epochs = 3;
    recipe_.lr = 0.05;
    recipe_.workers = 1;
    callbacks_.on_warning = [this](const std::string& text) { warnings_.push_back(text); };
  }
  ~TrainerTest() override { set_thread_count(1); }

  // Trains, and stops after `batches` steps in all.
  TrainResult train_until(const Recipe& recipe, int64_t batches) {
    std::atomic<bool> stop = false;
    TrainCallbacks callbacks = callbacks_;
    callbacks.on_step_end = [&](const StepReport& report) { stop = report.batches >= batches; };
    return train(recipe, callbacks, &stop);
  }

  Recipe named(const std::string& experiment) const {
    Recipe recipe = recipe_;
    recipe.experiment = experiment;
    return recipe;
  }
  std::filesystem::path run(const std::string& experiment) const { return root_ / "runs" / experiment; }

  std::string complaint(const Recipe& recipe) {
    try {
      train(recipe, callbacks_);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::filesystem::path root_;
  Recipe recipe_;
  TrainCallbacks callbacks_;
  std::vector<std::string> warnings_;
};

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

// Settings that give a step something to remember.
struct Memory {
  std::string name;
  std::function<void(Recipe&)> change;
};
void PrintTo(const Memory& memory, std::ostream* out) { *out << memory.name; }

class ResumeTest : public TrainerTest, public testing::WithParamInterface<Memory> {};

TEST_P(ResumeTest, IsBitExactAtEveryStep) {
  GetParam().change(recipe_);
  train(named("whole"), callbacks_);
  const std::string expected = bytes_of(run("whole") / "last.safetensors");
  const std::string expected_best = bytes_of(run("whole") / "best.safetensors");
  // In the first epoch, at its end, within the second and before the last step of all.
  for (const int64_t stop_at : {1, 5, 8, 14}) {
    Recipe recipe = named("stopped" + std::to_string(stop_at));
    recipe.threads = 1 + stop_at % 3;
    const TrainResult stopped = train_until(recipe, stop_at);
    EXPECT_EQ(stopped.ending, TrainEnding::interrupted);
    recipe.resume = true;
    recipe.threads = 1 + (stop_at + 1) % 3;
    int64_t first = -1;
    callbacks_.on_train_begin = [&](const TrainStart& start) { first = start.first_batch; };
    const TrainResult result = train(recipe, callbacks_);
    EXPECT_EQ(first, stop_at);
    EXPECT_EQ(result.ending, TrainEnding::finished);
    EXPECT_TRUE(bytes_of(run(recipe.experiment) / "last.safetensors") == expected) << "stopped at " << stop_at;
    EXPECT_TRUE(bytes_of(run(recipe.experiment) / "best.safetensors") == expected_best) << "stopped at " << stop_at;
  }
  EXPECT_THAT(warnings_, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Settings, ResumeTest,
                         testing::Values(Memory{"sgd", [](Recipe& recipe) { recipe.nesterov = true; }},
                                         Memory{"adamw_ema_clip",
                                                [](Recipe& recipe) {
                                                  recipe.opt = Recipe::Optimizer::adamw;
                                                  recipe.lr = 0.01;
                                                  recipe.model_ema = true;
                                                  recipe.model_ema_decay = 0.8;
                                                  recipe.clip_grad = 0.5;
                                                  recipe.sched_on_updates = true;
                                                  recipe.warmup_epochs = 1;
                                                }},
                                         Memory{"accumulating",
                                                [](Recipe& recipe) {
                                                  recipe.grad_accum_steps = 3;
                                                  recipe.opt = Recipe::Optimizer::adam;
                                                  recipe.lr = 0.01;
                                                }},
                                         Memory{"progressive",
                                                [](Recipe& recipe) {
                                                  recipe.model = "tiny_pooled";
                                                  recipe.progressive_stages = 3;
                                                  recipe.progressive_img_size = 5;
                                                  recipe.drop = 0.3;
                                                  recipe.progressive_drop = 0.1;
                                                  recipe.mixup = 0.4;
                                                  recipe.progressive_mixup = 0;
                                                  recipe.aa = "rand-m9";
                                                  recipe.progressive_magnitude = 3;
                                                  recipe.lookahead = 3;
                                                  recipe.model_ema = true;
                                                  recipe.model_ema_decay = 0.8;
                                                }},
                                         Memory{"lookahead_onecycle",
                                                [](Recipe& recipe) {
                                                  recipe.lookahead = 2;
                                                  recipe.sched = Recipe::Schedule::onecycle;
                                                  recipe.sched_on_updates = true;
                                                }}),
                         [](const auto& test) { return test.param.name; });

// Every optimizer, with accumulated gradients in every second one, so that the memory between two updates counts, too.
std::vector<Memory> optimizers() {
  std::vector<Memory> all;
  for (const std::string& opt : find_recipe_field("opt").choices) {
    const bool accumulates = all.size() % 2 == 1;
    all.push_back({opt, [opt, accumulates](Recipe& recipe) {
                     set_field(recipe, find_recipe_field("opt"), opt, "opt");
                     recipe.lr.reset();
                     recipe.grad_accum_steps = accumulates ? 2 : 1;
                   }});
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Optimizers, ResumeTest, testing::ValuesIn(optimizers()),
                         [](const auto& test) { return test.param.name; });

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

TEST_F(TrainerTest, MaxUpdatesEndWithinAnEpochAndDoSoAfterAResume) {
  recipe_.max_updates = 7;
  recipe_.sched_on_updates = true;
  std::vector<EpochReport> epochs;
  callbacks_.on_epoch_end = [&](const EpochReport& report) { epochs.push_back(report); };
  const TrainResult result = train(named("whole"), callbacks_);
  EXPECT_EQ(result.ending, TrainEnding::finished);
  EXPECT_EQ(result.epochs, 2);
  ASSERT_EQ(epochs.size(), 2U);
  EXPECT_EQ(epochs[1].batches, 7);
  EXPECT_TRUE(epochs[1].val.has_value());
  Recipe recipe = named("stopped");
  train_until(recipe, 6);
  recipe.resume = true;
  train(recipe, callbacks_);
  EXPECT_TRUE(bytes_of(run("stopped") / "last.safetensors") == bytes_of(run("whole") / "last.safetensors"));
  const size_t before = epochs.size();
  EXPECT_EQ(train(recipe, callbacks_).ending, TrainEnding::finished);
  EXPECT_EQ(epochs.size(), before) << "there is nothing left to do";
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

// A process that dies leaves what it saved last, here the state after two epochs.
TEST_F(TrainerTest, ResumesFromTheLastSaveAfterACrash) {
  train(named("whole"));
  TrainCallbacks crashing;
  crashing.on_step_end = [](const StepReport& report) {
    if (report.batches == 13) throw std::runtime_error("the power is gone");
  };
  EXPECT_THROW(train(recipe_, crashing), std::runtime_error);
  recipe_.resume = true;
  TrainCallbacks resumed;
  int64_t first_epoch = -1;
  resumed.on_train_begin = [&](const TrainStart& start) { first_epoch = start.first_epoch; };
  train(recipe_, resumed);
  EXPECT_EQ(first_epoch, 2);
  EXPECT_TRUE(bytes_of(run("run") / "last.safetensors") == bytes_of(run("whole") / "last.safetensors"));
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

TEST_F(TrainerTest, ResumeStartsAfreshWhereThereIsNothing) {
  recipe_.resume = true;
  EXPECT_EQ(train(recipe_, callbacks_).epochs, 3);
  int64_t steps = 0;
  callbacks_.on_step_end = [&](const StepReport&) { ++steps; };
  EXPECT_EQ(train(recipe_, callbacks_).epochs, 3);
  EXPECT_EQ(steps, 0) << "a finished run has nothing left to do";
  recipe_.epochs = 4;
  EXPECT_EQ(train(recipe_, callbacks_).epochs, 4);
  EXPECT_EQ(steps, 5);
}

TEST_F(TrainerTest, ResumeRefusesAnotherRun) {
  recipe_.epochs = 1;
  train(recipe_);
  EXPECT_THAT(complaint(recipe_), HasSubstr("already holds a run; add --resume"));
  recipe_.resume = true;
  Recipe changed = recipe_;
  changed.momentum = 0.5;
  EXPECT_THAT(complaint(changed), HasSubstr("momentum was 0.9 and is now 0.5"));
  std::filesystem::remove(root_ / "data/train/class1/image3.png");
  EXPECT_THAT(complaint(recipe_), HasSubstr("training images"));
}

TEST_F(TrainerTest, UnnamedRunsAreCountedAndTheLastIsResumed) {
  recipe_.experiment.clear();
  recipe_.epochs = 1;
  EXPECT_EQ(train(recipe_).folder, run("tiny"));
  EXPECT_EQ(train(recipe_).folder, run("tiny-2"));
  recipe_.resume = true;
  recipe_.epochs = 2;
  EXPECT_EQ(train(recipe_).folder, run("tiny-2"));
}

TEST_F(TrainerTest, ADamagedStateFallsBackToTheOlderOne) {
  train(named("whole"));
  EXPECT_EQ(train_until(recipe_, 12).ending, TrainEnding::interrupted);  // saved after epoch 1, 2 and step 12
  auto newest = run("run") / "state-a.safetensors";
  std::filesystem::resize_file(newest, std::filesystem::file_size(newest) - 1);
  recipe_.resume = true;
  train(recipe_, callbacks_);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_THAT(warnings_[0], HasSubstr("state-a.safetensors"));
  EXPECT_TRUE(bytes_of(run("run") / "last.safetensors") == bytes_of(run("whole") / "last.safetensors"));
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

TEST_F(TrainerTest, ABatchThatDoesNotFitIsRefusedBeforeTheFirstStep) {
  add_model({.name = "pooled", .description = "a test", .build = [](Builder b, Value x, const ModelOptions& options) {
               x = conv2d(b / "conv", x, {.out_channels = 8, .kernel = 3});
               return linear(b / "fc", global_avg_pool(relu(x)), {.out_features = options.num_classes});
             }});
  recipe_.model = "pooled";
  recipe_.img_size = 16384;
  recipe_.batch_size = 32;
  const std::string message = complaint(recipe_);
  EXPECT_THAT(message, HasSubstr("batch-size: pooled at batch size 32 and image size 16384 needs"));
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
  EXPECT_THAT(warnings_, testing::ElementsAre(HasSubstr("--val-split")));
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
  EXPECT_FALSE(std::filesystem::exists(root_ / "runs"));
}

}  // namespace
}  // namespace convoy
