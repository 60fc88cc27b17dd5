// The batch that ends an epoch and is smaller than the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "convoy/ops.h"
#include "core/random.h"
#include "train/step.h"
#include "train/trainer_testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class LastBatch : public TrainerTest {
 protected:
  LastBatch() {
    recipe_.drop_last = false;
    recipe_.epochs = 2;
    callbacks_.on_train_begin = [this](const TrainStart& start) { start_ = start; };
  }

  TrainStart start_;
};

TEST_F(LastBatch, IsTrainedOn) {
  const TrainResult result = train(recipe_, callbacks_);
  EXPECT_EQ(start_.steps_per_epoch, 6);  // five of 8 images, one of 2
  EXPECT_EQ(result.cost.train_images, 2 * 42);
  EXPECT_THAT(warnings_, IsEmpty());
  recipe_ = named("dropped");
  recipe_.drop_last = true;
  EXPECT_EQ(train(recipe_, callbacks_).cost.train_images, 2 * 40);
  EXPECT_EQ(start_.steps_per_epoch, 5);
}

TEST_F(LastBatch, CountsByItsImagesInTheMeanOfTheEpoch) {
  std::vector<double> losses;
  double mean = 0;
  recipe_.epochs = 1;
  callbacks_.on_step_end = [&](const StepReport& report) {
    losses.push_back(report.step_loss);
    mean = report.loss;
  };
  train(recipe_, callbacks_);
  ASSERT_EQ(losses.size(), 6U);
  double expected = 2 * losses[5] / 42;
  for (size_t i = 0; i < 5; ++i) expected += 8 * losses[i] / 42;
  EXPECT_NEAR(mean, expected, 1e-12);
}

TEST_F(LastBatch, NeedsNoMemoryOfItsOwn) {
  train(recipe_, callbacks_);
  const size_t with = start_.planned_bytes;
  recipe_ = named("dropped");
  recipe_.drop_last = true;
  train(recipe_, callbacks_);
  EXPECT_EQ(start_.planned_bytes, with);
}

TEST_F(LastBatch, ResumesBehindItAndBeforeIt) {
  train(named("whole"), callbacks_);
  for (const int64_t stop_at : {5, 6, 11}) {
    Recipe recipe = named("stopped" + std::to_string(stop_at));
    train_until(recipe, stop_at);
    recipe.resume = true;
    train(recipe, callbacks_);
    EXPECT_TRUE(bytes_of(run(recipe.experiment) / "last.safetensors") == bytes_of(run("whole") / "last.safetensors"))
        << stop_at;
  }
}

TEST_F(LastBatch, OfOneImageIsLeftOutWhereThatCannotBeNormalised) {
  add_model(
      {.name = "pooled_norm", .description = "a test", .build = [](Builder b, Value x, const ModelOptions& options) {
         x = conv2d(b / "conv", x, {.out_channels = 8, .kernel = 3});
         x = batch_norm(b / "bn", global_avg_pool(x));
         return linear(b / "fc", x, {.out_features = options.num_classes, .head = true});
       }});
  std::filesystem::remove(root_ / "data/train/class0/image0.png");
  recipe_.epochs = 1;
  train(recipe_, callbacks_);
  EXPECT_EQ(start_.steps_per_epoch, 6);  // the norms of this network see many pixels of one image
  EXPECT_THAT(warnings_, IsEmpty());
  recipe_ = named("pooled");
  recipe_.model = "pooled_norm";
  recipe_.img_size = 8;
  train(recipe_, callbacks_);
  EXPECT_EQ(start_.steps_per_epoch, 5);
  EXPECT_THAT(warnings_, testing::ElementsAre(HasSubstr("the last batch of an epoch has 1 image only")));
}

// PyTorch refuses these: "Expected more than 1 value per channel when training, got input size torch.Size([1, 512, 1,
// 1])".
TEST(CanNormalise, NeedsTwoValuesAChannel) {
  const ModelOptions options{.num_classes = 10};
  EXPECT_FALSE(can_normalise(find_model("resnet18"), options, 1, 32));
  EXPECT_TRUE(can_normalise(find_model("resnet18"), options, 2, 32));
  EXPECT_TRUE(can_normalise(find_model("resnet18"), options, 1, 64));
  EXPECT_TRUE(can_normalise(find_model("vgg11"), options, 1, 32));
}

// What PyTorch makes of a step is checked for every network and one batch size; a step beside another is that step.
TEST(TwoSteps, ShareVariablesAndMemoryWithoutAnInfluence) {
  const auto options = [](int64_t batch_size) {
    StepOptions step;
    step.model = &find_model("resnet9");
    step.model_options.num_classes = 5;
    step.batch_size = batch_size;
    step.image_size = 32;
    step.optimizer.weight_decay = 1e-3F;
    return step;
  };
  const auto run = [](TrainingStep& step, int64_t batch_size, int64_t number) {
    RandomStream random(1, "images", static_cast<uint64_t>(number));
    std::generate_n(step.images(), batch_size * 32 * 32 * 3, [&] { return random.uniform(-1, 1); });
    std::fill_n(step.targets(), batch_size * 5, 0.0F);
    for (int64_t n = 0; n < batch_size; ++n) step.targets()[n * 5 + n % 5] = 1;
    step.run({.seed = 7, .step = number, .update = number, .learning_rate = 0.05F});
    return step.loss();
  };
  std::array<Variables, 2> variables;
  std::array<std::vector<float>, 2> losses;
  {
    TrainingStep large(options(6), variables[0], 3), small(options(2), variables[0], 3);
    Buffer arena(std::max(large.arena_bytes(), small.arena_bytes()));
    large.bind(variables[0], arena);
    small.bind(variables[0], arena);
    for (int i = 0; i < 4; ++i) losses[0].push_back(i % 2 == 0 ? run(large, 6, i) : run(small, 2, i));
  }
  for (int i = 0; i < 4; ++i) {
    const int64_t batch_size = i % 2 == 0 ? 6 : 2;
    TrainingStep alone(options(batch_size), variables[1], 3);
    Buffer arena(alone.arena_bytes());
    alone.bind(variables[1], arena);
    losses[1].push_back(run(alone, batch_size, i));
  }
  EXPECT_EQ(losses[0], losses[1]);
  for (const auto& [name, variable] : variables[0].all()) {
    const float* other = variables[1].at(name).floats();
    EXPECT_TRUE(std::equal(variable.floats(), variable.floats() + variable.shape.elements(), other)) << name;
  }
}

}  // namespace
}  // namespace convoy
