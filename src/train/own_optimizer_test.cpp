// An optimizer of a program's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "convoy/optimizer.h"
#include "convoy/own_op.h"
#include "formats/safetensors.h"
#include "train/trainer_testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;

// Momentum as sgd has it, without decay.
class HeavyBallOp : public OpOf<HeavyBallOp> {
 public:
  static constexpr std::string_view kName = "test_heavy_ball";
  static constexpr Slot kSlots[] = {{"weight"}, {"velocity"}, {"grad_weight"}, {"grad_scale", Slot::Kind::optional}};

  explicit HeavyBallOp(float momentum = 0) : momentum_(momentum) {}

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("momentum", self.momentum_);
  }
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {}; }
  bool mutates(int input) const override { return input < 2; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor>,
                 const StepScalars& step) const override {
    const double scale = inputs[3].type.present ? inputs[3].data[0] : 1;
    for (size_t i = 0; i < inputs[0].data.size(); ++i) {
      double& velocity = inputs[1].data[i];
      velocity = momentum_ * velocity + scale * inputs[2].data[i];
      inputs[0].data[i] -= step.learning_rate * velocity;
    }
  }

 private:
  float momentum_;
};

class OwnOptimizer : public TrainerTest {
 protected:
  static void SetUpTestSuite() {
    TrainerTest::SetUpTestSuite();
    const auto same = [](const Optimizer& other) { return other.name == "heavy-ball"; };
    if (std::ranges::any_of(optimizers(), same)) return;
    add_op(op_type<HeavyBallOp>());
    add_optimizer({.name = "heavy-ball",
                   .description = "a test",
                   .momentum = 0.9,
                   .weight_decay = 0,
                   .update = [](const WeightUpdate& weight) -> UpdateRule {
                     return {std::make_shared<HeavyBallOp>(weight.momentum), {{"velocity"}}};
                   }});
  }
  OwnOptimizer() {
    recipe_.weight_decay = 0;
    recipe_.clip_grad = 0.5;
  }
};

TEST_F(OwnOptimizer, TrainsByItsName) {
  Recipe own = named("own");
  read_recipe_text(own, "opt = 'heavy-ball'", "text");
  train(own, callbacks_);
  train(named("usual"), callbacks_);
  const SafetensorsReader found(run("own") / "last.safetensors"), expected(run("usual") / "last.safetensors");
  ASSERT_FALSE(expected.tensors().empty());
  for (const StoredTensor& tensor : expected.tensors()) {
    const std::vector<float> a = found.floats(tensor.name), b = expected.floats(tensor.name);
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-3) << tensor.name << " " << i;
  }
  Recipe written;
  read_recipe(written, run("own") / "recipe.toml");
  EXPECT_EQ(written.opt, "heavy-ball");
  EXPECT_EQ(written.momentum, 0.9);
}

TEST_F(OwnOptimizer, ResumesToTheSameBits) {
  recipe_.opt = "heavy-ball";
  train(named("whole"), callbacks_);
  train_until(recipe_, 8);
  recipe_.resume = true;
  train(recipe_, callbacks_);
  EXPECT_TRUE(bytes_of(run("run") / "last.safetensors") == bytes_of(run("whole") / "last.safetensors"));
}

TEST_F(OwnOptimizer, WhatItLacksIsRefused) {
  recipe_.opt = "heavy-ball";
  recipe_.opt_eps = 0.5;
  EXPECT_THAT(complaint(recipe_), HasSubstr("opt-eps: heavy-ball does not have it, got 0.5; leave it out"));
  recipe_.opt_eps.reset();
  recipe_.decay_mode = Recipe::DecayMode::decoupled;
  EXPECT_THAT(complaint(recipe_), HasSubstr("decay-mode: heavy-ball does not have it"));
}

TEST_F(OwnOptimizer, NamesAreKnownAndTakenOnce) {
  recipe_.opt = "heavy_ball";
  EXPECT_THAT(complaint(recipe_),
              testing::MatchesRegex("opt: expected one of sgd, .*muon, heavy-ball, got 'heavy_ball'"));
  EXPECT_THROW(add_optimizer({.name = "heavy-ball", .description = "again", .update = {}}), Error);
  EXPECT_THROW(add_optimizer({.name = "sgd", .description = "again", .update = {}}), Error);
}

}  // namespace
}  // namespace convoy
