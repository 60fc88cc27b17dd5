#include "train/step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "core/random.h"
#include "plan/quantized_testing.h"

namespace convoy {
namespace {

// Every kind of fusion in a small space: norms with and without residual, shared values, stochastic depth.
Value build_small(Builder b, Value images, const ModelOptions& options) {
  const auto conv_bn = [](Builder at, Value x, int64_t stride) {
    return batch_norm(
        at / "bn",
        conv2d(at / "conv", x, {.out_channels = 16, .kernel = 3, .stride = stride, .padding = 1, .bias = false}));
  };
  Value x = relu(conv_bn(b / "stem", images, 1));
  x = relu(add(conv_bn(b / "block", x, 1), x));
  Value y = activation(conv2d(b / "expand", layer_norm(b / "norm", x), {.out_channels = 16}), Activation::gelu);
  x = add(x, drop_path(b / "drop", mul(y, conv_bn(b / "gate", x, 1)), 0.3F));
  x = add(conv_bn(b / "down", x, 2), conv_bn(b / "short", x, 2));
  return linear(b / "head", global_avg_pool(x), {.out_features = options.num_classes, .head = true});
}

const Model kSmall{.name = "small", .description = "", .image_size = 8, .num_classes = 5, .build = build_small};

StepOptions small_options() {
  StepOptions options;
  options.model = &kSmall;
  options.model_options.num_classes = 5;
  options.batch_size = 4;
  options.image_size = 8;
  options.label_smoothing = 0.1F;
  options.optimizer.weight_decay = 1e-3F;
  return options;
}

struct Trial {
  Variables variables;
  std::vector<float> losses;
};

void run_steps(const StepOptions& options, int batches, Trial& run, int first = 0) {
  TrainingStep step(options, run.variables, 3);
  Buffer arena(step.arena_bytes());
  step.bind(run.variables, arena);
  for (int batch = first; batch < first + batches; ++batch) {
    RandomStream random(1, "images", static_cast<uint64_t>(batch));
    std::generate_n(step.images(), 4 * 8 * 8 * 3, [&] { return random.uniform(-1, 1); });
    std::fill_n(step.targets(), 4 * 5, 0.0F);
    for (int n = 0; n < 4; ++n) step.targets()[n * 5 + (n + batch) % 5] = 1;
    step.run({.seed = 7, .step = batch, .update = batch / options.accumulate, .learning_rate = 0.05F});
    run.losses.push_back(step.loss());
  }
}

double largest_difference(const Variables& a, const Variables& b) {
  double largest = 0;
  for (const auto& [name, variable] : a.all()) {
    for (int64_t i = 0; i < variable.shape.elements(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(variable.floats()[i]) - b.at(name).floats()[i]));
    }
  }
  return largest;
}

TEST(TrainingStep, QuantisedNetworksAreRefused) {
  const Model model{.name = "quantised", .description = "", .image_size = 8, .num_classes = 5, .build = quantized_net};
  StepOptions options = small_options();
  options.model = &model;
  Variables variables;
  try {
    TrainingStep step(options, variables, 3);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "quantised: a quantised network cannot be trained; train the one that it was made of");
  }
}

TEST(TrainingStep, EveryPassLeavesWhatIsComputed) {
  Trial plain;
  StepOptions options = small_options();
  for (const auto passes : {forward_passes(), step_passes()}) {
    for (const Pass& pass : passes) options.disabled_passes.emplace(pass.name);
  }
  run_steps(options, 3, plain);
  const std::set<std::string> all = options.disabled_passes;
  Trial fused;
  run_steps(small_options(), 3, fused);
  EXPECT_LT(largest_difference(plain.variables, fused.variables), 2e-5);
  for (const std::string& pass : all) {
    options.disabled_passes = all;
    options.disabled_passes.erase(pass);
    Trial one;
    run_steps(options, 3, one);
    EXPECT_LT(largest_difference(plain.variables, one.variables), 2e-5) << pass;
  }
}

TEST(TrainingStep, LearnsABatchByHeart) {
  Trial run;
  StepOptions options = small_options();
  options.label_smoothing = 0;
  TrainingStep step(options, run.variables, 3);
  Buffer arena(step.arena_bytes());
  step.bind(run.variables, arena);
  float first = 0;
  for (int i = 0; i < 60; ++i) {
    RandomStream random(1, "images");
    std::generate_n(step.images(), 4 * 8 * 8 * 3, [&] { return random.uniform(-1, 1); });
    std::fill_n(step.targets(), 4 * 5, 0.0F);
    for (int n = 0; n < 4; ++n) step.targets()[n * 5 + n] = 1;
    step.run({.seed = 7, .step = i, .update = i, .learning_rate = 0.05F});
    if (i == 0) first = step.loss();
  }
  EXPECT_LT(step.loss(), 0.1F * first);
}

TEST(TrainingStep, TwoAccumulatedBatchesMakeOneUpdateByTheirMeanGradient) {
  StepOptions options = small_options();
  options.accumulate = 2;
  options.optimizer = {.momentum = 0};
  Trial accumulated;
  run_steps(options, 1, accumulated);
  Trial untouched;
  untouched.variables.add(Graph(Mode::training), 0);
  {
    StepOptions single = small_options();
    TrainingStep(single, untouched.variables, 3);
  }
  const auto weight = [](const Trial& run) { return run.variables.at("expand.weight").floats()[0]; };
  EXPECT_EQ(weight(accumulated), weight(untouched)) << "the first batch must not update";

  // Alone, each batch moves the weights by the rate times its own gradient.
  const auto moved_by = [&](int batch) {
    StepOptions single = options;
    single.accumulate = 1;
    Trial run;
    run_steps(single, 1, run, batch);
    return weight(run) - weight(untouched);
  };
  Trial both;
  run_steps(options, 2, both);
  EXPECT_EQ(both.variables.at("gradient/expand.weight").floats()[0], 0.0F) << "cleared by the update";
  const float first = moved_by(0), second = moved_by(1);
  EXPECT_GT(std::abs(first - second), 1e-5F);
  EXPECT_NEAR(weight(both) - weight(untouched), (first + second) / 2, 1e-7F);
}

// A batch of one image whose last map is one pixel: the norm's output would be its bias, whatever the image.
TEST(TrainingStep, ABatchThatIsTooSmallForItsNormsIsRefused) {
  StepOptions options = small_options();
  options.batch_size = 1;
  options.image_size = 2;
  Variables variables;
  try {
    TrainingStep step(options, variables, 3);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "batch_norm: training needs more than one value in a channel, got 1x1x1x16; use a larger batch or "
                 "larger images");
  }
  options.batch_size = 2;
  EXPECT_NO_THROW(TrainingStep(options, variables, 3));
}

// ModelEmaV3(model, decay=0.6, use_warmup=True).get_decay(update) of timm 1.0.31.
TEST(TrainingStep, AveragesFollowTheWeightsAsTimms) {
  constexpr double kDecays[] = {0, 0.3700394750525634, 0.5192501432308638, 0.6, 0.6};
  for (const int accumulate : {1, 2}) {
    StepOptions options = small_options();
    options.ema_decay = 0.6;
    options.accumulate = accumulate;
    Trial run;
    double average = 0;
    for (int update = 0; update < 5; ++update) {
      run_steps(options, accumulate, run, update * accumulate);
      const double weight = run.variables.at("expand.weight").floats()[3];
      average = kDecays[update] * average + (1 - kDecays[update]) * weight;
      EXPECT_NEAR(run.variables.at("ema.expand.weight").floats()[3], average, 1e-7) << update;
    }
  }
}

TEST(TrainingStep, VectorsDecayOnlyWhenAsked) {
  const auto bias_after = [](bool decays, float weight_decay) {
    StepOptions options = small_options();
    options.optimizer.decay_vectors = decays;
    options.optimizer.weight_decay = weight_decay;
    Trial run;
    run_steps(options, 1, run);
    const Variables::Variable& bias = run.variables.at("head.bias");
    return std::vector<float>(bias.floats(), bias.floats() + 5);
  };
  EXPECT_EQ(bias_after(false, 0.5F), bias_after(false, 0));
  EXPECT_NE(bias_after(true, 0.5F), bias_after(true, 0));
}

TEST(TrainingStep, AFusedNetworkIsRefused) {
  StepOptions options = small_options();
  options.model_options.fused = true;
  Variables variables;
  EXPECT_THROW(TrainingStep(options, variables, 0), UsageError);
}

}  // namespace
}  // namespace convoy
