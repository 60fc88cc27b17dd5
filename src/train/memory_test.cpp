// Training in less memory than it takes.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <ostream>

#include "core/byte_size.h"
#include "core/random.h"
#include "train/benchmark.h"
#include "train/trainer_testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;

struct Family {
  const char* model;
  int64_t image_size;
};
void PrintTo(const Family& family, std::ostream* stream) { *stream << family.model; }

// The loss and a hash of all variables after two steps, in an arena of `share` of the way from the smallest to the
// whole one.
std::string trained(const Family& family, double share, int threads, Precision precision = Precision::fp32) {
  set_thread_count(threads);
  StepOptions options;
  options.model = &find_model(family.model);
  options.model_options.num_classes = 5;
  if (options.model->takes.drop_path) options.model_options.drop_path = 0.2F;
  options.batch_size = 3;
  options.image_size = family.image_size;
  options.label_smoothing = 0.1F;
  options.precision = precision;
  options.repeat_work = 0;
  Variables variables;
  TrainingStep step(options, variables, 3);
  const size_t whole = step.arena_bytes();
  if (share < 1) {
    const size_t smallest = step.smallest_arena();
    const size_t allowed = smallest + static_cast<size_t>(share * static_cast<double>(whole - smallest));
    EXPECT_TRUE(step.fit(allowed));
    EXPECT_LE(step.arena_bytes(), allowed);
    EXPECT_GT(step.repeated().nodes, 0);
    EXPECT_EQ(step.repeated().saved_bytes, whole - step.arena_bytes());
  }
  Buffer arena(step.arena_bytes());
  step.bind(variables, arena);
  for (int64_t batch = 0; batch < 2; ++batch) {
    RandomStream random(1, "images", static_cast<uint64_t>(batch));
    std::generate_n(step.images(), 3 * family.image_size * family.image_size * 3,
                    [&] { return random.uniform(-1, 1); });
    std::fill_n(step.targets(), 3 * 5, 0.0F);
    for (int64_t n = 0; n < 3; ++n) step.targets()[n * 5 + (n + batch) % 5] = 1;
    step.run({.seed = 7, .step = batch, .update = batch, .learning_rate = 0.01F});
  }
  uint64_t hash = 0;
  for (const auto& [name, variable] : variables.all()) {
    for (const float value : variables.read(name)) hash = (hash ^ std::bit_cast<uint32_t>(value)) * 0x100000001B3;
  }
  set_thread_count(1);
  return fmt::format("{} {:x}", step.loss(), hash);
}

class Families : public testing::TestWithParam<Family> {};

TEST_P(Families, TrainToTheSameBitsInLessMemory) {
  const std::string expected = trained(GetParam(), 1, 1);
  EXPECT_EQ(trained(GetParam(), 0.6, 1), expected);
  EXPECT_EQ(trained(GetParam(), 0.3, 2), expected);
  EXPECT_EQ(trained(GetParam(), 0, 3), expected);
}

TEST_P(Families, TrainToTheSameBitsInLessMemoryOfBrainFloats) {
  const std::string expected = trained(GetParam(), 1, 1, Precision::bf16);
  EXPECT_NE(expected, trained(GetParam(), 1, 1));
  EXPECT_EQ(trained(GetParam(), 0.5, 1, Precision::bf16), expected);
  EXPECT_EQ(trained(GetParam(), 0, 3, Precision::bf16), expected);
}

INSTANTIATE_TEST_SUITE_P(All, Families,
                         testing::Values(Family{"resnet18", 40}, Family{"acnet_resnet18", 40}, Family{"resnet9", 32},
                                         Family{"darknet53", 64}, Family{"cspdarknet53", 64},
                                         Family{"efficientnetv2_s", 40}, Family{"mobilenet_v2", 40},
                                         Family{"mobilenet_v3_small", 40}, Family{"asymmnet_small", 40},
                                         Family{"conv2former_n", 32}, Family{"swin_t", 56}, Family{"airbench94", 32}),
                         [](const auto& info) { return std::string(info.param.model); });

TEST(TrainingStep, ComputesAgainWhatCostsLittle) {
  StepOptions options;
  options.model = &find_model("resnet18");
  options.batch_size = 48;
  options.image_size = 96;
  Variables variables, of_whole;
  TrainingStep step(options, variables, 3);
  options.repeat_work = 0;
  TrainingStep whole(options, of_whole, 3);
  EXPECT_EQ(whole.repeated().nodes, 0);
  EXPECT_GT(step.repeated().nodes, 0);
  EXPECT_LE(step.repeated().share, 0.025);
  EXPECT_EQ(step.repeated().saved_bytes, whole.arena_bytes() - step.arena_bytes());
  EXPECT_LT(step.arena_bytes(), whole.arena_bytes() * 19 / 20);
}

TEST(PlanTraining, RefusesWhatCannotBeHadAndNamesWhatCan) {
  StepOptions options;
  options.model = &find_model("resnet18");
  options.batch_size = 4;
  options.image_size = 64;
  const auto planned = static_cast<int64_t>(plan_training(options, std::nullopt).bytes());
  EXPECT_LE(plan_training(options, planned - (4 << 20)).bytes(), static_cast<size_t>(planned - (4 << 20)));
  try {
    plan_training(options, 100 << 20);
    FAIL();
  } catch (const MemoryError& error) {
    const std::string text = error.what();
    const size_t begin = std::string("memory: expected at least ").size();
    EXPECT_EQ(text.substr(0, begin), "memory: expected at least ");
    EXPECT_THAT(text, HasSubstr(" for resnet18 at batch size 4 and image size 64, got 100M; use a smaller batch or "
                                "smaller images"));
    const auto least = parse_byte_size(text.substr(begin, text.find(' ', begin) - begin));
    ASSERT_TRUE(least) << text;
    EXPECT_LE(plan_training(options, least).bytes(), static_cast<size_t>(*least));
  }
}

class MemoryOfRuns : public TrainerTest {};

TEST_F(MemoryOfRuns, AnAmountThatCannotBeHadIsRefusedBeforeAnythingIsWritten) {
  recipe_.memory = 20 << 20;
  EXPECT_THAT(complaint(recipe_),
              testing::MatchesRegex("memory: expected at least [0-9]+M for tiny at batch size 8 and "
                                    "image size [0-9]+, got 20M; .*"));
  EXPECT_FALSE(std::filesystem::exists(run("run")));
}

TEST_F(MemoryOfRuns, TheSizeOfBatchesIsChosenSaidAndKept) {
  recipe_.batch_size = 0;
  recipe_.lr.reset();
  recipe_.epochs = 1;
  TrainStart start;
  callbacks_.on_train_begin = [&](const TrainStart& begun) { start = begun; };
  train(recipe_, callbacks_);
  // 42 images: one is the most of which 32 make an epoch.
  EXPECT_EQ(start.batch_size, 1);
  EXPECT_EQ(start.batch_size_reason,
            "for 32 steps an epoch or more; lr 0.000390625, as sgd has 0.1 for 256 images, in proportion");
  EXPECT_EQ(start.recipe.batch_size, 1);
  Recipe kept;
  read_recipe(kept, run("run") / "recipe.toml");
  EXPECT_EQ(kept.batch_size, 1);

  recipe_.resume = true;
  recipe_.epochs = 2;
  train(recipe_, callbacks_);
  EXPECT_EQ(start.batch_size, 1);
  EXPECT_THAT(start.batch_size_reason, testing::StartsWith("as the run began; "));
}

}  // namespace
}  // namespace convoy
