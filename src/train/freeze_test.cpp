#include "train/freeze.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "convoy/error.h"
#include "core/random.h"
#include "inference/testing.h"
#include "train/step.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Model& tiny() {
  add_tiny_net();
  return find_model("tiny");
}

std::set<std::string> frozen(std::string_view choice) {
  return frozen_parameters(tiny(), {.num_classes = kClasses}, kSide, choice);
}

std::string complaint(std::string_view choice) {
  try {
    frozen(choice);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Freeze, ChoosesParametersByModule) {
  EXPECT_THAT(frozen(""), IsEmpty());
  EXPECT_THAT(frozen("conv"), ElementsAre("conv.weight"));
  EXPECT_THAT(frozen("bn,conv"), ElementsAre("bn.bias", "bn.weight", "conv.weight"));
  EXPECT_THAT(frozen("bn.bias"), ElementsAre("bn.bias"));
  EXPECT_THAT(frozen("all-but-head"), ElementsAre("bn.bias", "bn.weight", "conv.weight"));
  EXPECT_THAT(frozen_parameters(find_model("resnet18"), {.num_classes = 3}, 64, "layer4.1.conv2"),
              ElementsAre("layer4.1.conv2.weight"));
}

TEST(Freeze, NamesTheNearestModule) {
  EXPECT_THAT(complaint("conv,fcc"), HasSubstr("freeze: unknown module 'fcc' (did you mean 'fc'?)"));
  EXPECT_THAT(complaint("all-but-haed"), HasSubstr("did you mean 'all-but-head'?"));
  EXPECT_THAT(complaint("co"), HasSubstr("unknown module 'co'"));
  EXPECT_THAT(complaint("conv,,bn"), HasSubstr("unknown module ''"));
  EXPECT_THAT(complaint("conv,bn,fc"), HasSubstr("nothing is left to train"));
}

struct Trained {
  Variables variables;
  std::map<std::string, std::vector<float>> start, end;
  size_t nodes = 0, arena_bytes = 0;

  bool changed(const std::string& name) const { return start.at(name) != end.at(name); }
};

// Three steps from random statistics.
void train_with(std::string_view choice, Trained& trained, Recipe::FreezeStats stats = Recipe::FreezeStats::frozen) {
  StepOptions options;
  options.model = &tiny();
  options.model_options.num_classes = kClasses;
  options.batch_size = 4;
  options.image_size = kSide;
  options.optimizer.weight_decay = 0.1F;
  options.frozen = frozen(choice);
  options.freeze_stats = stats;
  TrainingStep step(options, trained.variables, 3);
  Buffer arena(step.arena_bytes());
  step.bind(trained.variables, arena);
  trained.nodes = step.program().graph().nodes().size();
  trained.arena_bytes = step.arena_bytes();
  const auto values = [&] {
    std::map<std::string, std::vector<float>> all;
    for (const auto& [name, variable] : trained.variables.all()) {
      all[name] = {variable.floats(), variable.floats() + variable.shape.elements()};
    }
    return all;
  };
  trained.start = values();
  for (int64_t batch = 0; batch < 3; ++batch) {
    RandomStream random(1, "images", static_cast<uint64_t>(batch));
    std::generate_n(step.images(), 4 * kSide * kSide * 3, [&] { return random.uniform(-1, 1); });
    std::fill_n(step.targets(), 4 * kClasses, 0.0F);
    for (int n = 0; n < 4; ++n) step.targets()[n * kClasses + n % kClasses] = 1;
    step.run({.seed = 7, .step = batch, .update = batch, .learning_rate = 0.05F});
  }
  trained.end = values();
}

TEST(Freeze, FrozenLayersStayAsTheyAre) {
  Trained all, head;
  train_with("", all);
  train_with("all-but-head", head);
  for (const char* name : {"conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"}) {
    EXPECT_TRUE(all.changed(name)) << name;
    EXPECT_FALSE(head.changed(name)) << name;
  }
  EXPECT_TRUE(head.changed("fc.weight"));
  EXPECT_FALSE(head.variables.contains("momentum/conv.weight"));
  EXPECT_TRUE(head.variables.contains("momentum/fc.weight"));
  EXPECT_LT(head.nodes, all.nodes - 2);
  EXPECT_LT(head.arena_bytes, all.arena_bytes);
}

TEST(Freeze, TheBiasOfANormAloneLeavesItsStatistics) {
  Trained trained;
  train_with("bn.bias", trained);
  EXPECT_FALSE(trained.changed("bn.bias"));
  for (const char* name : {"bn.weight", "bn.running_mean", "bn.running_var"})
    EXPECT_TRUE(trained.changed(name)) << name;
}

// timm's freeze(model, ["bn"]), freeze(..., include_bn_running_stats=False) and freeze_batch_norm_2d's statistics.
TEST(Freeze, StatisticsAreChosenApart) {
  using Stats = Recipe::FreezeStats;
  struct Case {
    const char* freeze;
    Stats stats;
    bool weight, statistics;  // that change
  };
  for (const Case& c : {Case{"bn", Stats::frozen, false, false}, Case{"bn", Stats::none, false, true},
                        Case{"", Stats::all, true, false}, Case{"conv", Stats::frozen, true, true}}) {
    Trained trained;
    train_with(c.freeze, trained, c.stats);
    EXPECT_EQ(trained.changed("bn.weight"), c.weight) << c.freeze;
    for (const char* name : {"bn.running_mean", "bn.running_var"}) {
      EXPECT_EQ(trained.changed(name), c.statistics) << c.freeze << " " << name;
    }
  }
}

// Gradients pass through frozen layers.
TEST(Freeze, LayersBeforeFrozenOnesLearn) {
  Trained trained;
  train_with("bn,fc", trained);
  EXPECT_TRUE(trained.changed("conv.weight"));
  for (const char* name : {"bn.weight", "bn.running_mean", "fc.weight", "fc.bias"}) {
    EXPECT_FALSE(trained.changed(name)) << name;
  }
}

}  // namespace
}  // namespace convoy
