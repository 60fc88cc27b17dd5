// A batch that is computed in slices, by ranks or by one process.
#include "train/slices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "backends/backends.h"
#include "convoy/ops.h"
#include "core/random.h"
#include "core/world_testing.h"
#include "formats/checkpoint.h"
#include "train/step.h"
#include "train/trainer.h"
#include "train/trainer_testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;

// Everything but batch norm, whose slices have statistics of their own.
Value build_without_batch_norm(Builder b, Value images, const ModelOptions& options) {
  Value x = conv2d(b / "stem", images, {.out_channels = 8, .kernel = 3, .padding = 1});
  Value y = activation(layer_norm(b / "norm", x), Activation::gelu);
  y = dropout(b / "dropout", conv2d(b / "conv", y, {.out_channels = 8, .kernel = 3, .padding = 1}), 0.2F);
  x = add(x, drop_path(b / "drop_path", y, 0.4F));
  return linear(b / "head", global_avg_pool(x), {.out_features = options.num_classes, .head = true});
}

const Model kNoBatchNorm{
    .name = "no_batch_norm", .description = "", .image_size = 6, .num_classes = 3, .build = build_without_batch_norm};

// With and without a residual and an activation in the norm.
Value build_with_batch_norms(Builder b, Value images, const ModelOptions& options) {
  Value x = conv2d(b / "stem", images, {.out_channels = 8, .kernel = 3, .padding = 1});
  x = activation(batch_norm(b / "norm1", x), Activation::gelu);
  const Value y = batch_norm(b / "norm2", conv2d(b / "conv", x, {.out_channels = 8, .kernel = 3, .padding = 1}));
  x = batch_norm(b / "norm3", activation(add(x, y), Activation::relu));
  return linear(b / "head", global_avg_pool(x), {.out_features = options.num_classes, .head = true});
}

const Model kBatchNorms{
    .name = "batch_norms", .description = "", .image_size = 6, .num_classes = 3, .build = build_with_batch_norms};

using Doubles = std::map<std::string, std::vector<double>>;

// The variables after ten steps of that backend on those samples of batches of `batch`, norms synchronised.
template <class Number>
Doubles ten_steps(const Backend& backend, const Model& model, World* world, BatchSlice slice, int64_t batch) {
  constexpr int64_t kSide = 6, kClasses = 3, kFloats = kSide * kSide * 3;
  StepOptions options;
  options.model = &model;
  options.model_options.num_classes = kClasses;
  options.batch_size = slice.size;
  options.image_size = kSide;
  options.clip_grad_norm = 0.5F;
  options.ema_decay = 0.9;
  options.world = world;
  options.sync_batch_norm = true;
  options.share = static_cast<double>(slice.size) / static_cast<double>(batch);
  Variables variables(backend);
  TrainingStep step(options, variables, 3);
  Buffer arena = backend.allocate(step.arena_bytes());
  step.bind(variables, arena);
  for (int64_t number = 0; number < 10; ++number) {
    for (int64_t n = 0; n < slice.size; ++n) {
      const int64_t sample = slice.first + n;
      RandomStream random(1, "images", static_cast<uint64_t>(number), static_cast<uint64_t>(sample));
      std::generate_n(step.images() + n * kFloats, kFloats, [&] { return random.uniform(-1, 1); });
      std::fill_n(step.targets() + n * kClasses, kClasses, 0.0F);
      step.targets()[n * kClasses + (sample + number) % kClasses] = 1;
    }
    step.run({.seed = 7,
              .step = number,
              .update = number,
              .updates = 10,
              .learning_rate = 0.1F,
              .samples = slice.size,
              .first_sample = slice.first});
  }
  Doubles values;
  for (const auto& [name, variable] : variables.all()) {
    const Number* const elements = variable.view.template as<Number>();
    values[name].assign(elements, elements + variable.elements());
  }
  return values;
}

template <class Number>
void expect_ranks_as_one_process(const Backend& backend, double tolerance) {
  constexpr int64_t kBatch = 8;
  for (const Model* model : {&kNoBatchNorm, &kBatchNorms}) {
    const Doubles alone = ten_steps<Number>(backend, *model, nullptr, {0, kBatch}, kBatch);
    for (const int ranks : {2, 3, 8}) {
      std::vector<Doubles> together(static_cast<size_t>(ranks));
      const auto lines = in_world(ranks, [&](World& world) {
        const BatchSlice slice = slice_of(kBatch, ranks, world.rank());
        together[static_cast<size_t>(world.rank())] = ten_steps<Number>(backend, *model, &world, slice, kBatch);
      });
      EXPECT_THAT(lines, testing::Each("")) << ranks;
      for (const Doubles& rank : together) {
        for (const auto& [name, values] : alone) {
          for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(rank.at(name)[i], values[i], tolerance) << name;
        }
      }
    }
  }
}

TEST(Slices, RanksTrainAsOneProcessWithTheirBatches) {
  expect_ranks_as_one_process<double>(reference_backend(), 1e-12);
}

TEST(Slices, SoTheyDoInSinglePrecision) { expect_ranks_as_one_process<float>(cpu_backend(), 1e-5); }

class SlicesTest : public TrainerTest {
 protected:
  SlicesTest() {
    recipe_.threads = 1;
    recipe_.drop_last = false;
    recipe_.batch_size = 4;
  }

  void ask_for_everything() {
    recipe_.clip_grad = 0.05;
    recipe_.grad_accum_steps = 2;
    recipe_.model_ema = true;
    recipe_.model_ema_decay = 0.9;
    recipe_.lookahead = 2;
    recipe_.mixup = 0.5;
  }

  // Trains `recipe` on ranks that are threads; what they would print. more: of what a rank does otherwise.
  std::vector<std::string> train_on_ranks(int ranks, const Recipe& recipe,
                                          const std::function<void(Recipe&, int rank)>& more = {}) {
    return in_world(ranks, [&](World& world) {
      Recipe own = recipe;
      if (more) more(own, world.rank());
      train_in_world(own, world.is_first() ? callbacks_ : TrainCallbacks(), nullptr, "", &world);
    });
  }

  void expect_same_bits(const std::string& one, const std::string& other) {
    for (const char* file : {"last.safetensors", "best.safetensors", "predictions.csv"}) {
      const std::string bytes = bytes_of(run(one) / file);
      EXPECT_FALSE(bytes.empty()) << file;
      EXPECT_TRUE(bytes == bytes_of(run(other) / file)) << file << " of " << one << " and " << other;
    }
  }

  // The recipe on ranks, and by one process in as many slices.
  void expect_ranks_as_slices(int ranks) {
    EXPECT_THAT(train_on_ranks(ranks, named("ranks")), testing::Each(""));
    Recipe alone = named("alone");
    alone.slices = ranks;
    train(alone, callbacks_);
    expect_same_bits("ranks", "alone");
  }
};

TEST_F(SlicesTest, RanksTrainAsOneProcessInSlices) { expect_ranks_as_slices(2); }

TEST_F(SlicesTest, ThreeRanksWithAnUnevenLastBatch) { expect_ranks_as_slices(3); }

TEST_F(SlicesTest, TheGlobalGradientIsClippedAccumulatedAndAveraged) {
  ask_for_everything();
  expect_ranks_as_slices(2);
}

TEST_F(SlicesTest, AnyNumberOfRanksTrainsToTheSameBits) {
  ask_for_everything();
  recipe_.batch_size = 2;
  recipe_.slices = 6;
  train(named("1"), callbacks_);
  for (const int ranks : {2, 3, 6}) {
    EXPECT_THAT(train_on_ranks(ranks, named(std::to_string(ranks))), testing::Each(""));
    expect_same_bits(std::to_string(ranks), "1");
  }
}

TEST_F(SlicesTest, RanksWithSynchronisedNormsTrainAsOneBatch) {
  Recipe recipe = named("ranks");
  recipe.sync_bn = true;
  recipe.model_ema = true;
  EXPECT_THAT(train_on_ranks(3, recipe), testing::Each(""));
  Recipe alone = named("alone");
  alone.model_ema = true;
  alone.batch_size *= 3;
  train(alone, callbacks_);
  const Checkpoint together(run("ranks") / "last.safetensors"), whole(run("alone") / "last.safetensors");
  ASSERT_EQ(together.tensors().size(), whole.tensors().size());
  for (size_t i = 0; i < whole.tensors().size(); ++i) {
    EXPECT_EQ(together.tensors()[i].name, whole.tensors()[i].name);
    EXPECT_THAT(together.floats(i), testing::Pointwise(testing::FloatNear(1e-3F), whole.floats(i)));
  }
}

TEST_F(SlicesTest, EveryOptimizerSeesTheGlobalGradient) {
  for (const char* optimizer : {"lamb", "muon", "adamw"}) {
    recipe_.opt = optimizer;
    recipe_.epochs = 1;
    recipe_.experiment = optimizer;
    EXPECT_THAT(train_on_ranks(2, named(std::string("ranks-") + optimizer)), testing::Each(""));
    Recipe alone = named(std::string("alone-") + optimizer);
    alone.slices = 2;
    train(alone, callbacks_);
    expect_same_bits(std::string("ranks-") + optimizer, std::string("alone-") + optimizer);
  }
}

TEST_F(SlicesTest, ARunOfRanksIsResumedByRanksAndByOneProcess) {
  recipe_.grad_accum_steps = 2;
  Recipe whole = named("whole");
  whole.slices = 2;
  train(whole, callbacks_);
  std::atomic<bool> stop = false;
  TrainCallbacks callbacks = callbacks_;
  callbacks.on_step_end = [&](const StepReport& report) { stop = report.batches >= 3; };
  in_world(2, [&](World& world) {
    const TrainResult result = train_in_world(named("stopped"), world.is_first() ? callbacks : TrainCallbacks(),
                                              world.is_first() ? &stop : nullptr, "", &world);
    EXPECT_EQ(result.ending, TrainEnding::interrupted) << "rank " << world.rank();
  });
  std::filesystem::copy(run("stopped"), run("other"), std::filesystem::copy_options::recursive);
  Recipe resumed = named("stopped");
  resumed.resume = true;
  EXPECT_THAT(train_on_ranks(2, resumed), testing::Each(""));
  expect_same_bits("stopped", "whole");
  Recipe alone = named("other");
  alone.resume = true;
  alone.slices = 2;
  train(alone, callbacks_);
  expect_same_bits("other", "whole");
}

TEST_F(SlicesTest, AnotherNumberOfRanksGoesOnFromTheSameImage) {
  Recipe begun = named("run");
  begun.slices = 2;
  train_until(begun, 2);  // 16 of the 42 images
  begun.resume = true;
  begun.slices.reset();
  begun.epochs = 2;
  std::vector<int64_t> steps;
  callbacks_.on_step_end = [&](const StepReport& report) { steps.push_back(report.step); };
  int64_t images = 0;
  callbacks_.on_train_end = [&](const TrainResult& result) { images = result.cost.train_images; };
  EXPECT_THAT(train_on_ranks(3, begun), testing::Each(""));
  // Batches of 12: one and 4 images of another are done; then two full ones, and an epoch of four, the last of six.
  EXPECT_THAT(steps, testing::ElementsAre(2, 3, 1, 2, 3, 4));
  EXPECT_EQ(images, 16 + 24 + 42);
  EXPECT_THAT(warnings_, testing::Contains(HasSubstr("batches have 12 images, where they had 8: epoch 1 goes on from "
                                                     "image 17 at learning rate 0.05")));
}

TEST_F(SlicesTest, RanksThatDifferAreNamedBeforeTheFirstStep) {
  const auto lines = train_on_ranks(3, named("run"), [](Recipe& recipe, int rank) {
    if (rank == 2) recipe.lr = 0.25;
  });
  const auto printed = std::ranges::find_if(lines, [](const std::string& line) { return !line.empty(); });
  ASSERT_NE(printed, lines.end());
  EXPECT_THAT(*printed, HasSubstr("lr of rank 2 ("));
  EXPECT_THAT(*printed, HasSubstr("expected 0.05, as rank 0 ("));
  EXPECT_THAT(*printed, HasSubstr("has it, got 0.25"));
  EXPECT_EQ(std::ranges::count(lines, std::string()), 2);
  EXPECT_FALSE(std::filesystem::exists(run("run")));
}

TEST_F(SlicesTest, ABadImageOfOneRankEndsAll) {
  recipe_.data = (root_ / "spoilt").string();
  std::filesystem::copy(root_ / "data", root_ / "spoilt", std::filesystem::copy_options::recursive);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root_ / "spoilt" / "train")) {
    if (!entry.is_regular_file()) continue;
    std::filesystem::resize_file(entry.path(), 10);
    break;
  }
  const auto lines = train_on_ranks(2, named("run"));
  EXPECT_EQ(std::ranges::count(lines, std::string()), 1) << testing::PrintToString(lines);
}

TEST_F(SlicesTest, SlicesThatDoNotFit) {
  Recipe recipe = named("run");
  recipe.slices = 1000;
  EXPECT_THAT(complaint(recipe), testing::StartsWith("slices: expected at most "));
  recipe.slices = 2;
  recipe.reduce_dtype = Recipe::ReduceDtype::bf16;
  EXPECT_THAT(complaint(recipe), testing::StartsWith("reduce-dtype: expected fp32"));
  recipe.reduce_dtype = Recipe::ReduceDtype::fp32;
  recipe.sync_bn = true;
  EXPECT_EQ(complaint(recipe),
            "sync-bn: a process normalises its slices one by one; leave out slices and take a batch-size of 8");
  recipe.slices = 3;
  const auto lines = train_on_ranks(2, recipe);
  EXPECT_THAT(lines[0] + lines[1], HasSubstr("slices: expected auto or a multiple of 2, the ranks of this run, got 3"));
}

}  // namespace
}  // namespace convoy
