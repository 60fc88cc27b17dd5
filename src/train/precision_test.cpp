// Training with maps of brain floats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/cpu.h"
#include "train/benchmark.h"
#include "train/golden_step.h"
#include "train/trainer_testing.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The distance of two vectors as a share of the second's length.
double distance(std::span<const float> a, const std::vector<double>& b) {
  double difference = 0, length = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    length += b[i] * b[i];
  }
  return std::sqrt(difference / length);
}

class Bf16Golden : public testing::TestWithParam<const char*> {};

// Brain floats round 2^16 times as much as floats do, whose error in the same step the file tells. The loss of a sample
// cannot be further off than sqrt(2) times the distance of its logits, that of all no further than the root of the mean
// square of that.
TEST_P(Bf16Golden, StepIsNearPyTorchs) {
  const Golden golden(std::string(CONVOY_SOURCE_DIR "/tests/golden/") + GetParam() + ".safetensors");
  GoldenStep step(golden, cpu_backend(), Precision::bf16);
  step.train();
  const std::vector<double> logits = golden.logits();
  const double error = distance(step.logits(), logits);
  EXPECT_LT(error, 0.5 * 0x1p16 * golden.float32_error().logits);
  const double squares = std::inner_product(logits.begin(), logits.end(), logits.begin(), 0.0);
  const double most = error * std::sqrt(2 * squares / static_cast<double>(golden.batch()));
  EXPECT_NEAR(step.loss(), golden.loss(), most);
  EXPECT_NE(step.loss(), static_cast<float>(golden.loss()));
}

INSTANTIATE_TEST_SUITE_P(All, Bf16Golden,
                         testing::Values("resnet18", "mobilenet_v2", "efficientnetv2_s", "conv2former_n",
                                         "cspdarknet53", "asymmnet_small", "airbench94"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Bf16Memory, IsLittleMoreThanHalfOfTheFloats) {
  if (!has_matrix_tiles()) GTEST_SKIP() << "without matrix tiles convolutions widen their maps";
  StepOptions options;
  options.model = &find_model("resnet18");
  options.batch_size = 4;
  options.image_size = 224;
  const size_t floats = plan_training(options, std::nullopt).step->arena_bytes();
  options.precision = Precision::bf16;
  EXPECT_LT(plan_training(options, std::nullopt).step->arena_bytes(), floats * 6 / 10);
}

class PrecisionOfRuns : public TrainerTest {
 protected:
  PrecisionOfRuns() { recipe_.epochs = 1; }
  ~PrecisionOfRuns() override { set_active_isa(available_isas().back()); }
};

TEST_F(PrecisionOfRuns, IsSettledAndKept) {
  recipe_.precision = Precision::automatic;
  Precision chosen = Precision::automatic;
  callbacks_.on_train_begin = [&](const TrainStart& start) { chosen = start.recipe.precision; };
  train(recipe_, callbacks_);
  EXPECT_EQ(chosen, has_matrix_tiles() ? Precision::bf16 : Precision::fp32);
  EXPECT_THAT(warnings_, IsEmpty());
  recipe_.epochs = 2;
  recipe_.resume = true;
  recipe_.precision = chosen == Precision::bf16 ? Precision::fp32 : Precision::bf16;
  EXPECT_THAT(complaint(recipe_), HasSubstr("precision"));
}

TEST_F(PrecisionOfRuns, Bf16WithoutTilesIsAWarning) {
  set_active_isa(Isa::baseline);
  recipe_.precision = Precision::bf16;
  train(recipe_, callbacks_);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("precision: bf16 is slower than fp32 here")));
}

TEST_F(PrecisionOfRuns, AStoppedRunGoesOnToTheSameBits) {
  recipe_.precision = Precision::bf16;
  train(named("whole"), callbacks_);
  train_until(named("parts"), 2);
  Recipe rest = named("parts");
  rest.resume = true;
  train(rest, callbacks_);
  EXPECT_EQ(bytes_of(run("parts") / "last.safetensors"), bytes_of(run("whole") / "last.safetensors"));
}

}  // namespace
}  // namespace convoy
