#include "train/step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "train/testing.h"

namespace convoy {
namespace {

// No batch statistics and no randomness, so that gradients of batches add up.
Value plain_net(Builder b, Value x, const ModelOptions& options) {
  x = relu(conv2d(b / "conv", x, {.out_channels = 4, .kernel = 3, .padding = 1}));
  return linear(b / "fc", flatten(x), {.out_features = options.num_classes});
}

const Model& plain_model() {
  static const Model model{
      .name = "plain", .description = "", .image_size = kSide, .num_classes = 3, .build = plain_net};
  return model;
}

StepOptions options_of(int64_t batch_size) {
  StepOptions options;
  options.model = &plain_model();
  options.model_options.num_classes = 3;
  options.batch_size = batch_size;
  options.image_size = kSide;
  options.optimizer.weight_decay = 0.01F;
  return options;
}

// A training run on images that follow from the number of the sample.
class SmallRun {
 public:
  explicit SmallRun(const StepOptions& options)
      : options_(options), step_(options, variables_, 5), arena_(step_.arena_bytes()) {
    step_.bind(variables_, arena_);
  }

  void run_batch() {
    constexpr int64_t kFloats = 3 * kSide * kSide;
    for (int64_t i = 0; i < options_.batch_size; ++i) {
      const int64_t sample = scalars_.step * options_.batch_size + i;
      RandomStream random(1, "sample", static_cast<uint64_t>(sample));
      std::generate_n(step_.images() + i * kFloats, kFloats, [&] { return random.normal(); });
      for (int64_t c = 0; c < 3; ++c) step_.targets()[i * 3 + c] = c == sample % 3 ? 1.0F : 0.0F;
    }
    scalars_.learning_rate = 0.1F;
    step_.run(scalars_);
    ++scalars_.step;
    scalars_.update = scalars_.step / options_.accumulate;
  }

  std::vector<float> values(const std::string& name) const {
    const Variables::Variable& variable = variables_.at(name);
    return {variable.data, variable.data + variable.shape.elements()};
  }
  const Variables& variables() const { return variables_; }

 private:
  StepOptions options_;
  Variables variables_;
  TrainingStep step_;
  Buffer arena_;
  StepScalars scalars_;
};

double worst_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(a[i]) - b[i]));
  return worst;
}

TEST(TrainingStep, AccumulatedBatchesAreOneLargeBatch) {
  for (const auto kind : {OptimizerOptions::Kind::sgd, OptimizerOptions::Kind::adamw}) {
    StepOptions large = options_of(12);
    large.optimizer.kind = kind;
    large.optimizer.eps = 1e-3F;  // keeps Adam from magnifying rounding where gradients vanish
    large.clip_grad_norm = 0.5F;
    large.ema_decay = 0.9F;
    StepOptions small = large;
    small.batch_size = 4;
    small.accumulate = 3;
    SmallRun whole(large), parts(small);
    for (int update = 0; update < 3; ++update) {
      whole.run_batch();
      const std::vector<float> before = parts.values("conv.weight");
      parts.run_batch();
      parts.run_batch();
      EXPECT_EQ(parts.values("conv.weight"), before) << "nothing moves before the last batch";
      parts.run_batch();
    }
    for (const char* name : {"conv.weight", "conv.bias", "fc.weight", "fc.bias", "ema.fc.weight"}) {
      EXPECT_LT(worst_difference(whole.values(name), parts.values(name)), 2e-5) << name;
    }
  }
}

TEST(TrainingStep, AveragesFollowTheirDefinition) {
  StepOptions options = options_of(6);
  options.ema_decay = 0.75F;
  SmallRun run(options);
  const std::vector<float> start = run.values("fc.weight");
  std::vector<double> expected(start.begin(), start.end());
  for (int update = 0; update < 4; ++update) {
    run.run_batch();
    const std::vector<float> weights = run.values("fc.weight");
    for (size_t i = 0; i < weights.size(); ++i) expected[i] = 0.75 * expected[i] + 0.25 * weights[i];
  }
  const std::vector<float> average = run.values("ema.fc.weight");
  for (size_t i = 0; i < average.size(); ++i) EXPECT_NEAR(average[i], expected[i], 1e-6);
}

TEST(TrainingStep, VectorsDecayOnlyWhenAsked) {
  const auto bias_after = [](bool decays, float decay) {
    StepOptions options = options_of(6);
    options.optimizer.decay_vectors = decays;
    options.optimizer.weight_decay = decay;
    SmallRun run(options);
    run.run_batch();
    return run.values("fc.bias");
  };
  EXPECT_EQ(bias_after(false, 0.5F), bias_after(false, 0));
  EXPECT_NE(bias_after(true, 0.5F), bias_after(true, 0));
}

}  // namespace
}  // namespace convoy
