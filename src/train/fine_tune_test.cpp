// Training from the weights of a file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "convoy/error.h"
#include "convoy/fuse.h"
#include "convoy/train.h"
#include "formats/safetensors.h"
#include "inference/model_file.h"
#include "inference/testing.h"
#include "train/trainer_testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class FineTune : public testing::Test {
 protected:
  // One run to start from.
  static void SetUpTestSuite() {
    add_tiny_net();
    root_ = std::filesystem::path(testing::TempDir()) / "convoy_fine_tune";
    std::filesystem::remove_all(root_);
    write_dataset(root_ / "data", 10);
    for (int label = 0; label < 2; ++label) write_class(root_ / "other" / ("kind" + std::to_string(label)), label, 10);
    for (int label = 0; label < 3; ++label)
      write_class(root_ / "renamed" / ("kind" + std::to_string(label)), label, 10);
    train(recipe("source"));
  }

  static Recipe recipe(const std::string& experiment) {
    Recipe recipe = tiny_recipe(root_);
    recipe.output = (root_ / "runs").string();
    recipe.experiment = experiment;
    recipe.epochs = 1;
    recipe.lr = 0.05;
    recipe.val_split = 0.2;
    return recipe;
  }
  static std::filesystem::path weights(const std::string& experiment) {
    return root_ / "runs" / experiment / "last.safetensors";
  }
  static Recipe from_source(const std::string& experiment) {
    Recipe result = recipe(experiment);
    result.initial_checkpoint = weights("source").string();
    return result;
  }
  static std::vector<float> tensor(const std::string& experiment, const std::string& name) {
    return SafetensorsReader(weights(experiment)).floats(name);
  }

  TrainStart run(const Recipe& recipe) {
    TrainStart start;
    TrainCallbacks callbacks;
    callbacks.on_train_begin = [&](const TrainStart& report) { start = report; };
    train(recipe, callbacks);
    return start;
  }

  static inline std::filesystem::path root_;
};

TEST_F(FineTune, StartsFromTheFile) {
  Recipe still = from_source("still");
  still.lr = 0;
  still.weight_decay = 0;
  still.model_ema = true;  // the averages start there, too
  const TrainStart start = run(still);
  for (const char* name : {"conv.weight", "bn.weight", "fc.weight", "fc.bias"}) {
    EXPECT_EQ(tensor("still", name), tensor("source", name)) << name;
  }
  EXPECT_THAT(start.initial_weights, HasSubstr("7 tensors from "));
}

TEST_F(FineTune, OtherClassesGetANewHead) {
  for (const char* data : {"other", "renamed"}) {
    Recipe other = from_source(data);
    other.data = (root_ / data).string();
    other.freeze = "all-but-head";
    const TrainStart start = run(other);
    EXPECT_THAT(start.initial_weights, HasSubstr("5 tensors from "));
    EXPECT_THAT(start.initial_weights, HasSubstr("fc.weight, fc.bias start anew for "));
    EXPECT_EQ(start.parameters, (data == std::string("other") ? 2 : 3) * (8 * 16 + 1));
    EXPECT_EQ(start.frozen_parameters, 3 * 3 * 3 * 8 + 16);
    for (const char* name : {"conv.weight", "bn.weight", "bn.running_mean", "bn.running_var"}) {
      EXPECT_EQ(tensor(data, name), tensor("source", name)) << name;
    }
    EXPECT_NE(tensor(data, "fc.weight"), tensor("source", "fc.weight"));
  }
}

TEST_F(FineTune, ResumesWithoutTheFile) {
  std::filesystem::copy_file(weights("source"), root_ / "copy.safetensors");
  Recipe whole = from_source("whole"), parts = from_source("parts");
  whole.initial_checkpoint = parts.initial_checkpoint = (root_ / "copy.safetensors").string();
  whole.freeze = parts.freeze = "conv";
  whole.epochs = 2;
  whole.sched = parts.sched = "constant";
  run(whole);
  run(parts);
  std::filesystem::remove(root_ / "copy.safetensors");
  parts.epochs = 2;
  parts.resume = true;
  EXPECT_THAT(run(parts).initial_weights, IsEmpty());
  for (const char* name : {"conv.weight", "bn.running_mean", "fc.weight"}) {
    EXPECT_EQ(tensor("parts", name), tensor("whole", name)) << name;
  }
}

TEST_F(FineTune, AFileThatIsNotFiniteIsNamed) {
  std::string bytes = bytes_of(weights("source"));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(bytes.data() + bytes.size() - sizeof nan, &nan, sizeof nan);  // within the last tensor
  std::ofstream(root_ / "nan.safetensors", std::ios::binary) << bytes;
  Recipe recipe = from_source("nan");
  recipe.initial_checkpoint = (root_ / "nan.safetensors").string();
  try {
    train(recipe);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::ContainsRegex("nan.safetensors: tensor \"[a-z_.]+\" holds nan"));
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("learning rate")));
  }
}

TEST_F(FineTune, RefusesWhatDoesNotFit) {
  const auto complaint = [&](const Recipe& recipe) -> std::string {
    try {
      train(recipe);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  Recipe wrong = from_source("wrong");
  wrong.model = "resnet9";
  EXPECT_THAT(complaint(wrong), HasSubstr("the tensors do not fit the network: 40 missing"));
  wrong = from_source("wrong");
  wrong.initial_checkpoint = (root_ / "absent.pth").string();
  EXPECT_THAT(complaint(wrong), HasSubstr("there is no such file"));
  fuse_model(weights("source"), {.measure = false}, root_ / "fused.safetensors");
  wrong.initial_checkpoint = (root_ / "fused.safetensors").string();
  EXPECT_THAT(complaint(wrong), HasSubstr("is fused; use the model file that it was made of"));
}

}  // namespace
}  // namespace convoy
