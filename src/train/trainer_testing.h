// What the tests of whole training runs share: a small data set, a recipe for it, and a folder for its runs.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "convoy/error.h"
#include "convoy/train.h"
#include "core/parallel.h"
#include "inference/testing.h"

namespace convoy {

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class TrainerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { add_tiny_net(); }

  TrainerTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    root_ = std::filesystem::path(testing::TempDir()) / "convoy_trainer" / test->name();
    std::filesystem::remove_all(root_);
    write_dataset(root_ / "data" / "train", 14);
    write_dataset(root_ / "data" / "val", 5);
    recipe_.data = (root_ / "data").string();
    recipe_.output = (root_ / "runs").string();
    recipe_.experiment = "run";
    recipe_.model = "tiny";
    recipe_.batch_size = 8;  // five steps an epoch, two images left out
    recipe_.drop_last = true;
    recipe_.epochs = 3;
    recipe_.opt = "sgd";
    recipe_.lr = 0.05;
    recipe_.sched_on_updates = false;
    recipe_.warmup_epochs = 0;
    recipe_.workers = 1;
    callbacks_.on_warning = [this](const std::string& text) { warnings_.push_back(text); };
  }
  ~TrainerTest() override { set_thread_count(1); }

  // Trains, and stops after `batches` steps in all.
  TrainResult train_until(const Recipe& recipe, int64_t batches) {
    std::atomic<bool> stop = false;
    TrainCallbacks callbacks = callbacks_;
    callbacks.on_step_end = [&](const StepReport& report) { stop = report.batches >= batches; };
    return train(recipe, callbacks, &stop);
  }

  Recipe named(const std::string& experiment) const {
    Recipe recipe = recipe_;
    recipe.experiment = experiment;
    return recipe;
  }
  std::filesystem::path run(const std::string& experiment) const { return root_ / "runs" / experiment; }

  std::string complaint(const Recipe& recipe) {
    try {
      train(recipe, callbacks_);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::filesystem::path root_;
  Recipe recipe_;
  TrainCallbacks callbacks_;
  std::vector<std::string> warnings_;
};

}  // namespace convoy
