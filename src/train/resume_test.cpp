// Runs that stop and go on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>

#include "convoy/classifier.h"
#include "train/trainer_testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Settings that give a step something to remember.
struct Memory {
  std::string name;
  std::function<void(Recipe&)> change;
};
void PrintTo(const Memory& memory, std::ostream* out) { *out << memory.name; }

class ResumedRun : public TrainerTest {};

class ResumeTest : public TrainerTest, public testing::WithParamInterface<Memory> {};

TEST_P(ResumeTest, IsBitExactAtEveryStep) {
  GetParam().change(recipe_);
  train(named("whole"), callbacks_);
  const std::string expected = bytes_of(run("whole") / "last.safetensors");
  const std::string expected_best = bytes_of(run("whole") / "best.safetensors");
  // In the first epoch, at its end, within the second, before the last step of all and behind it.
  for (const int64_t stop_at : {1, 5, 8, 14, 15}) {
    Recipe recipe = named("stopped" + std::to_string(stop_at));
    recipe.threads = 1 + stop_at % 3;
    const TrainResult stopped = train_until(recipe, stop_at);
    EXPECT_EQ(stopped.ending, TrainEnding::interrupted);
    recipe.resume = true;
    recipe.threads = 1 + (stop_at + 1) % 3;
    int64_t first = -1;
    TrainCallbacks callbacks = callbacks_;
    callbacks.on_train_begin = [&](const TrainStart& start) { first = start.first_batch; };
    const TrainResult result = train(recipe, callbacks);
    EXPECT_EQ(first, stop_at);
    EXPECT_EQ(result.ending, TrainEnding::finished);
    EXPECT_TRUE(bytes_of(run(recipe.experiment) / "last.safetensors") == expected) << "stopped at " << stop_at;
    EXPECT_TRUE(bytes_of(run(recipe.experiment) / "best.safetensors") == expected_best) << "stopped at " << stop_at;
  }
  EXPECT_THAT(warnings_, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Settings, ResumeTest,
                         testing::Values(Memory{"sgd", [](Recipe& recipe) { recipe.nesterov = true; }},
                                         Memory{"smaller_last_batch", [](Recipe& recipe) { recipe.drop_last = false; }},
                                         Memory{"adamw_ema_clip",
                                                [](Recipe& recipe) {
                                                  recipe.opt = "adamw";
                                                  recipe.lr = 0.01;
                                                  recipe.model_ema = true;
                                                  recipe.model_ema_decay = 0.6;
                                                  recipe.clip_grad = 0.5;
                                                  recipe.sched_on_updates = true;
                                                  recipe.warmup_epochs = 1;
                                                }},
                                         Memory{"accumulating",
                                                [](Recipe& recipe) {
                                                  recipe.grad_accum_steps = 3;
                                                  recipe.opt = "adam";
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
                                                  recipe.model_ema_decay = 0.6;
                                                }},
                                         Memory{"unfreezing",
                                                [](Recipe& recipe) {
                                                  recipe.freeze = "conv,bn";
                                                  recipe.unfreeze_after = 1;
                                                  recipe.layer_decay = 0.5;
                                                  recipe.opt = "adamw";
                                                  recipe.lr = 0.01;
                                                  recipe.model_ema = true;
                                                  recipe.model_ema_decay = 0.6;
                                                }},
                                         Memory{"unfreezing_within_an_update",
                                                [](Recipe& recipe) {
                                                  recipe.freeze = "conv";
                                                  recipe.freeze_stats = Recipe::FreezeStats::none;
                                                  recipe.unfreeze_after = 1;
                                                  recipe.grad_accum_steps = 3;
                                                }},
                                         Memory{"lookahead_onecycle",
                                                [](Recipe& recipe) {
                                                  recipe.lookahead = 2;
                                                  recipe.sched = "onecycle";
                                                  recipe.sched_on_updates = true;
                                                }}),
                         [](const auto& test) { return test.param.name; });

// Every optimizer, with accumulated gradients in every second one, so that the memory between two updates counts, too.
std::vector<Memory> optimizers() {
  std::vector<Memory> all;
  for (const std::string& opt : find_recipe_field("opt").choices()) {
    const bool accumulates = all.size() % 2 == 1;
    all.push_back({opt, [opt, accumulates](Recipe& recipe) {
                     recipe.opt = opt;
                     recipe.lr.reset();
                     recipe.grad_accum_steps = accumulates ? 2 : 1;
                   }});
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Optimizers, ResumeTest, testing::ValuesIn(optimizers()),
                         [](const auto& test) { return test.param.name; });

TEST_F(ResumedRun, TheLastValidationIsMadeUpFor) {
  train(named("whole"), callbacks_);
  std::atomic<bool> stop = false;
  TrainCallbacks stopping = callbacks_;
  stopping.on_validation_step_end = [&](const ValidationStepReport& report) { stop = report.epoch == 2; };
  Recipe recipe = named("stopped");
  EXPECT_EQ(train(recipe, stopping, &stop).ending, TrainEnding::interrupted);
  recipe.resume = true;
  std::vector<int64_t> epochs;
  callbacks_.on_epoch_end = [&](const EpochReport& report) { epochs.push_back(report.epoch); };
  const TrainResult result = train(recipe, callbacks_);
  EXPECT_THAT(epochs, testing::ElementsAre(2));
  EXPECT_EQ(result.val->images, 15);
  for (const char* file : {"last.safetensors", "best.safetensors"}) {
    EXPECT_TRUE(bytes_of(run("stopped") / file) == bytes_of(run("whole") / file)) << file;
  }
}

TEST_F(ResumedRun, OnlyWeightsThatWereValidatedSaySo) {
  recipe_.epochs = 2;
  train(recipe_);
  EXPECT_EQ(Classifier(run("run") / "last.safetensors").metrics().count("val_top1"), 1U);
  recipe_.epochs = 3;
  recipe_.resume = true;
  train_until(recipe_, 12);
  EXPECT_EQ(Classifier(run("run") / "last.safetensors").metrics().count("val_top1"), 0U);
}

TEST_F(ResumedRun, ARunThatEndedWithinAnEpochCannotBeMadeLonger) {
  recipe_.max_updates = 7;
  train(recipe_);
  recipe_.resume = true;
  recipe_.max_updates = 0;
  EXPECT_THAT(complaint(recipe_), HasSubstr("ended within epoch 2 and cannot be made longer"));
}

TEST_F(ResumedRun, ARecipeOfAResumedRunBeginsANewOne) {
  recipe_.epochs = 1;
  recipe_.resume = true;
  train(recipe_);
  Recipe written;
  read_recipe(written, run("run") / "recipe.toml");
  EXPECT_FALSE(written.resume);
}

TEST_F(ResumedRun, MaxUpdatesEndWithinAnEpochAndDoSoAfterAResume) {
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
  Recipe recipe;
  for (const int64_t stop_at : {6, 7}) {
    recipe = named("stopped" + std::to_string(stop_at));
    train_until(recipe, stop_at);
    recipe.resume = true;
    train(recipe, callbacks_);
    EXPECT_TRUE(bytes_of(run(recipe.experiment) / "last.safetensors") == bytes_of(run("whole") / "last.safetensors"))
        << stop_at;
  }
  const size_t before = epochs.size();
  EXPECT_EQ(train(recipe, callbacks_).ending, TrainEnding::finished);
  EXPECT_EQ(epochs.size(), before) << "there is nothing left to do";
}

// A process that dies leaves what it saved last, here the state after two epochs.
TEST_F(ResumedRun, ResumesFromTheLastSaveAfterACrash) {
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

TEST_F(ResumedRun, ResumeStartsAfreshWhereThereIsNothing) {
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

TEST_F(ResumedRun, AFinishedRunKeepsOneStateAndCanBeMadeLonger) {
  const auto states = [this](const std::string& name) {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(run(name)))
      count += entry.path().filename().string().starts_with("state-") ? 1 : 0;
    return count;
  };
  train(recipe_);
  EXPECT_EQ(states("run"), 1);
  recipe_.resume = true;
  recipe_.epochs = 5;
  train_until(recipe_, 22);
  EXPECT_EQ(states("run"), 2);
  train(recipe_);
  EXPECT_EQ(states("run"), 1);
  Recipe patient = named("patient");
  patient.lr = 0;
  patient.patience = 1;
  EXPECT_EQ(train(patient).ending, TrainEnding::no_progress);
  EXPECT_EQ(states("patient"), 1);
}

TEST_F(ResumedRun, ARunWhoseStateIsGoneIsNotBegunAnew) {
  train(recipe_);
  for (const char* file : {"state-a.safetensors", "state-b.safetensors"}) std::filesystem::remove(run("run") / file);
  const std::string best = bytes_of(run("run") / "best.safetensors"), recipe = bytes_of(run("run") / "recipe.toml");
  recipe_.resume = true;
  recipe_.epochs = 4;
  EXPECT_THAT(complaint(recipe_),
              AllOf(HasSubstr("run: cannot resume: state-a.safetensors and state-b.safetensors are "),
                    HasSubstr("--initial-checkpoint " + (run("run") / "best.safetensors").string())));
  std::filesystem::remove(run("run") / "best.safetensors");
  EXPECT_THAT(complaint(recipe_), HasSubstr("--initial-checkpoint " + (run("run") / "last.safetensors").string()));
  EXPECT_EQ(bytes_of(run("run") / "recipe.toml"), recipe);
  EXPECT_NE(bytes_of(run("run") / "last.safetensors"), "");
  // Nor where it is found by the network's name.
  std::filesystem::rename(run("run"), run("tiny"));
  recipe_.experiment.clear();
  EXPECT_THAT(complaint(recipe_), HasSubstr("tiny: cannot resume"));
}

TEST_F(ResumedRun, FewerEpochsThanAreDoneAreRefusedAndChangeNothing) {
  const auto contents = [this] {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(run("run")))
      files[entry.path().filename()] = bytes_of(entry.path());
    return files;
  };
  train_until(recipe_, 12);  // in the third epoch
  recipe_.resume = true;
  const auto before = contents();
  recipe_.epochs = 2;
  EXPECT_THAT(complaint(recipe_), testing::MatchesRegex("epochs: expected more than the 2.4 that the run in .*run has "
                                                        "done, got 2"));
  recipe_.epochs = 3;
  recipe_.max_updates = 7;
  EXPECT_THAT(complaint(recipe_), HasSubstr("max-updates: expected more than the 12 that the run in "));
  EXPECT_TRUE(contents() == before);
  recipe_.max_updates = 0;
  EXPECT_EQ(train(recipe_).epochs, 3);
  recipe_.epochs = 2;
  EXPECT_THAT(complaint(recipe_), HasSubstr("epochs: expected more than the 3 that the run in "));
}

TEST_F(ResumedRun, AnInitialCheckpointMayBeARunFolder) {
  train(recipe_);
  Recipe next = named("next");
  next.initial_checkpoint = run("run").string();
  std::string told;
  callbacks_.on_train_begin = [&](const TrainStart& start) { told = start.initial_weights; };
  train(next, callbacks_);
  EXPECT_THAT(told, HasSubstr((run("run") / "best.safetensors").string()));
  std::filesystem::remove(run("run") / "best.safetensors");
  next.experiment = "third";
  train(next, callbacks_);
  EXPECT_THAT(told, HasSubstr((run("run") / "last.safetensors").string()));
}

TEST_F(ResumedRun, ResumeRefusesAnotherRun) {
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

TEST_F(ResumedRun, UnnamedRunsAreCountedAndTheLastIsResumed) {
  recipe_.experiment.clear();
  recipe_.epochs = 1;
  EXPECT_EQ(train(recipe_).folder, run("tiny"));
  EXPECT_EQ(train(recipe_).folder, run("tiny-2"));
  std::filesystem::remove_all(run("tiny"));
  recipe_.resume = true;
  recipe_.epochs = 2;
  EXPECT_EQ(train(recipe_).folder, run("tiny-2"));
}

// Each begins while the other has saved nothing yet.
TEST_F(ResumedRun, UnnamedRunsThatBeginTogetherGetFoldersOfTheirOwn) {
  recipe_.experiment.clear();
  recipe_.epochs = 1;
  std::filesystem::path inner, outer;
  TrainCallbacks callbacks;
  callbacks.on_train_begin = [&](const TrainStart& start) {
    outer = start.folder;
    EXPECT_EQ(start.recipe.experiment, "tiny");
    inner = train(recipe_).folder;
  };
  Recipe written;
  EXPECT_EQ(train(recipe_, callbacks).folder, outer);
  EXPECT_EQ(outer, run("tiny"));
  EXPECT_EQ(inner, run("tiny-2"));
  read_recipe(written, inner / "recipe.toml");
  EXPECT_EQ(written.experiment, "tiny-2");
}

TEST_F(ResumedRun, ADamagedStateFallsBackToTheOlderOne) {
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

}  // namespace
}  // namespace convoy
