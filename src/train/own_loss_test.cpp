// Losses: the built-in ones, and those of a program's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "convoy/find_lr.h"
#include "convoy/loss.h"
#include "convoy/ops.h"
#include "formats/safetensors.h"
#include "train/loss.h"
#include "train/step.h"
#include "train/trainer_testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;

class OwnLoss : public TrainerTest {
 protected:
  static void SetUpTestSuite() {
    TrainerTest::SetUpTestSuite();
    const std::vector<std::string> names = loss_names();
    if (std::ranges::find(names, "test-double") != names.end()) return;
    add_loss("test-double", [](Value logits, Value targets, float s) {
      const Value loss = cross_entropy(logits, targets, s);
      return add(loss, loss);
    });
    add_loss("test-vector", [](Value logits, Value, float) { return logits; });
    add_loss("test-throws", [](Value, Value, float) -> Value { throw std::runtime_error("two\nlines"); });
    add_loss("test-nothing", [](Value, Value, float) { return Value(); });
    add_loss("test-parameter", [](Value logits, Value targets, float) {
      return cross_entropy(linear(Builder(logits.graph()) / "extra", logits, {.out_features = kClasses}), targets);
    });
  }
  void expect_same_weights(const std::string& a, const std::string& b) const {
    const SafetensorsReader first(run(a) / "last.safetensors"), second(run(b) / "last.safetensors");
    ASSERT_FALSE(first.tensors().empty());
    for (const StoredTensor& tensor : first.tensors()) {
      EXPECT_EQ(first.floats(tensor.name), second.floats(tensor.name)) << tensor.name;
    }
  }
};

// Twice the loss at half the rate.
TEST_F(OwnLoss, TrainsByItsName) {
  recipe_.weight_decay = 0;
  std::vector<EpochReport> reports;
  callbacks_.on_epoch_end = [&](const EpochReport& report) { reports.push_back(report); };
  train(named("usual"), callbacks_);
  Recipe own = named("own");
  read_recipe_text(own, "loss = 'test-double'\nlr = 0.025", "text");
  train(own, callbacks_);
  expect_same_weights("usual", "own");
  ASSERT_EQ(reports.size(), 6U);
  EXPECT_NEAR(reports[5].train_loss, 2 * reports[2].train_loss, 1e-5);
  EXPECT_EQ(reports[5].val->loss, reports[2].val->loss);
  Recipe written;
  read_recipe(written, run("own") / "recipe.toml");
  EXPECT_EQ(written.loss, "test-double");
}

TEST_F(OwnLoss, FindLrLooksAtIt) {
  recipe_.experiment.clear();
  const LearningRateSweep sweep{.updates = 4};
  const LearningRateCurve usual = find_learning_rate(recipe_, sweep);
  recipe_.loss = "test-double";
  const LearningRateCurve own = find_learning_rate(recipe_, sweep);
  EXPECT_NEAR(own.points.at(0).loss, 2 * usual.points.at(0).loss, 1e-5);
}

TEST_F(OwnLoss, BceTrainsToTheSameBitsWithAnyThreads) {
  recipe_.loss = "bce";
  recipe_.threads = 1;
  train(named("one"), callbacks_);
  recipe_.threads = 3;
  train(named("three"), callbacks_);
  EXPECT_TRUE(bytes_of(run("one") / "last.safetensors") == bytes_of(run("three") / "last.safetensors"));
}

TEST_F(OwnLoss, MistakesAreNamed) {
  recipe_.loss = "test-vector";
  EXPECT_THAT(complaint(recipe_), HasSubstr("loss test-vector: expected a scalar, got 8x3"));
  recipe_.loss = "test-throws";
  EXPECT_EQ(complaint(recipe_), "loss test-throws: two?lines");
  recipe_.loss = "test-nothing";
  EXPECT_THAT(complaint(recipe_), HasSubstr("loss test-nothing: expected a value of the graph of the logits"));
  recipe_.loss = "test-parameter";
  EXPECT_THAT(complaint(recipe_), HasSubstr("loss test-parameter: expected no parameters or states of its own, got 2"));
}

TEST_F(OwnLoss, NamesAreKnownAndTakenOnce) {
  recipe_.loss = "test-duoble";
  EXPECT_THAT(complaint(recipe_), HasSubstr("loss: expected one of cross-entropy, bce, test-double, "));
  EXPECT_THROW(add_loss("bce", [](Value logits, Value, float) { return logits; }), InternalError);
  EXPECT_THROW(add_loss("test-double", [](Value logits, Value, float) { return logits; }), InternalError);
  EXPECT_THROW(add_loss("test-empty", {}), InternalError);
  try {
    build_loss("test-duoble", {}, {}, 0);
    ADD_FAILURE();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "unknown loss 'test-duoble' (did you mean 'test-double'?)");
  }
}

// By hand, in double precision: the loss, and its gradient by what a step of plain SGD does to the logits' bias.
TEST(Loss, BceIsTimms) {
  constexpr int kSamples = 2, kOutputs = 3;
  constexpr double kSmoothing = 0.1;
  const Model model{.name = "line",
                    .description = "",
                    .image_size = 2,
                    .num_classes = kOutputs,
                    .build = [](Builder b, Value x, const ModelOptions& options) {
                      return linear(b / "head", flatten(x), {.out_features = options.num_classes, .head = true});
                    }};
  StepOptions options;
  options.model = &model;
  options.model_options.num_classes = kOutputs;
  options.batch_size = kSamples;
  options.image_size = 2;
  options.loss = "bce";
  options.label_smoothing = static_cast<float>(kSmoothing);
  options.optimizer.momentum = 0;
  Variables variables;
  TrainingStep step(options, variables, 5);
  Buffer arena(step.arena_bytes());
  step.bind(variables, arena);
  for (int i = 0; i < kSamples * 2 * 2 * 3; ++i) step.images()[i] = static_cast<float>(std::sin(i + 1.0));
  const float targets[kSamples * kOutputs] = {0, 0.75F, 0.25F, 1, 0, 0};
  std::ranges::copy(targets, step.targets());
  const float* bias = variables.at("head.bias").floats();
  const std::vector<float> before(bias, bias + kOutputs);
  step.run({.learning_rate = 1});

  double loss = 0;
  std::vector<double> gradient(kOutputs);
  for (int i = 0; i < kSamples * kOutputs; ++i) {
    const double x = step.logits()[i];
    const double target = (1 - kSmoothing) * static_cast<double>(targets[i]) + kSmoothing / kOutputs;
    const double p = 1 / (1 + std::exp(-x));
    loss -= (target * std::log(p) + (1 - target) * std::log(1 - p)) / (kSamples * kOutputs);
    gradient[static_cast<size_t>(i % kOutputs)] += (p - target) / (kSamples * kOutputs);
  }
  EXPECT_NEAR(step.loss(), loss, 1e-6);
  for (size_t c = 0; c < kOutputs; ++c) EXPECT_NEAR(before[c] - bias[c], gradient[c], 1e-6) << c;
}

}  // namespace
}  // namespace convoy
