#include "convoy/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "convoy/error.h"
#include "inference/predictions.h"
#include "report/run_summary.h"

namespace convoy {
namespace {

using testing::HasSubstr;

constexpr const char* kHeader = "epoch,lr,train_loss,train_top1,val_loss,val_top1,val_top5,seconds\n";

// A run of two classes whose best weights get the images right for which `right` has a 1.
RunSummary run_with(const std::string& right) {
  RunSummary run;
  run.folder = "run";
  run.version = "0.1.0";
  run.model = "resnet18";
  run.class_names = {"cat", "dog"};
  run.val_images = static_cast<int64_t>(right.size());
  for (size_t i = 0; i < right.size(); ++i) {
    const int label = static_cast<int>(i % 2);
    run.outcomes.push_back({.image = "photos/" + std::to_string(i) + ".jpg",
                            .label = label,
                            .predicted = right[i] == '1' ? label : 1 - label,
                            .confidence = 0.75});
  }
  const auto correct = std::ranges::count(right, '1');
  run.epochs = {{.epoch = 1, .val_top1 = static_cast<double>(correct) / static_cast<double>(right.size())}};
  return run;
}

TEST(WilsonInterval, IsThePublishedOne) {
  // Newcombe (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20 and 1 of 29.
  const auto expect = [](int64_t successes, int64_t trials, double low, double high) {
    EXPECT_NEAR(wilson_interval(successes, trials).low, low, 5e-5);
    EXPECT_NEAR(wilson_interval(successes, trials).high, high, 5e-5);
  };
  expect(81, 263, 0.2553, 0.3662);
  expect(15, 148, 0.0624, 0.1605);
  expect(0, 20, 0.0000, 0.1611);
  expect(1, 29, 0.0061, 0.1718);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
}

TEST(CompareAccuracy, PairsTheSameImages) {
  // Two images only a gets right, nine only b: 2 (1 + 11 + 55) / 2^11.
  const std::string a =
      "11"
      "000000000"
      "111100";
  const std::string b =
      "00"
      "111111111"
      "111100";
  const auto result = compare_accuracy(run_with(a), run_with(b));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->test, Significance::Test::mcnemar);
  EXPECT_NEAR(result->p, 2.0 * 67 / 2048, 1e-12);
  EXPECT_FALSE(result->significant());
  EXPECT_EQ(compare_accuracy(run_with(a), run_with(a))->p, 1);
}

TEST(CompareAccuracy, MatchesClassesByNameAndImagesByFile) {
  const RunSummary a = run_with("1100");
  RunSummary b = a;
  b.class_names = {"dog", "cat"};
  for (ImageOutcome& outcome : b.outcomes) {
    outcome.label = 1 - outcome.label;
    outcome.predicted = 1 - outcome.predicted;
    outcome.image = "/elsewhere/" + outcome.image;
  }
  EXPECT_EQ(compare_accuracy(a, b)->test, Significance::Test::mcnemar);
  b.outcomes[2].image = "other.jpg";
  EXPECT_FALSE(compare_accuracy(a, b).has_value());
}

TEST(CompareAccuracy, RunsThatDoNotCompareSayWhy) {
  RunSummary a = run_with("1100");
  a.folder = "runs/one";
  RunSummary b = run_with("1110");
  b.folder = "runs/two";
  EXPECT_EQ(incomparable(a, b), "");
  b.outcomes[2].image = "photos/two.jpg";
  EXPECT_EQ(incomparable(a, b), "one and two were validated on different images");
  b = run_with("11101");
  b.folder = "runs/two";
  b.outcomes.clear();
  EXPECT_EQ(incomparable(a, b), "one and two were validated on different images, 4 and 5");
  EXPECT_FALSE(compare_accuracy(a, b).has_value());
  b = run_with("1110");
  b.folder = "runs/two";
  b.class_names[1] = "wolf";
  EXPECT_EQ(incomparable(a, b), "one and two have different classes, such as 'dog'");
  EXPECT_FALSE(compare_accuracy(a, b).has_value());
  b.val_images = 0;
  EXPECT_THAT(incomparable(a, b), HasSubstr("different classes"));
  b.class_names = a.class_names;
  EXPECT_EQ(incomparable(a, b), "");
}

TEST(CompareAccuracy, ImagesThatAreNotKnownAreIndependentSamples) {
  RunSummary a = run_with("1");
  RunSummary b = run_with("1");
  a.outcomes.clear();
  a.val_images = b.val_images = 200;
  a.epochs[0].val_top1 = 0.9;
  b.epochs[0].val_top1 = 0.8;
  const auto result = compare_accuracy(a, b);
  EXPECT_EQ(result->test, Significance::Test::two_proportion);
  // z = 0.1 / sqrt(p (1 - p) 2/200) with p = 340/400: 2.8006; its two-sided p from the normal distribution.
  EXPECT_NEAR(result->p, 0.005101, 1e-6);
  EXPECT_TRUE(result->significant());
  b.epochs.clear();
  EXPECT_FALSE(compare_accuracy(a, b).has_value());
}

class RunFolderTest : public testing::Test {
 protected:
  RunFolderTest() {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(folder_);
  }
  ~RunFolderTest() override { std::filesystem::remove_all(root_); }

  // A whole run folder.
  void write_run() const {
    RunSummary run = run_with("1101");
    run.folder = folder_;
    run.image_size = 32;
    run.parameters = 11173962;
    run.multiply_adds = 555422720;
    run.planned_bytes = int64_t{3} << 30;
    run.epochs_planned = 3;
    run.finished = true;
    run.cost = {.wall_seconds = 100.5,
                .cpu_seconds = 180.25,
                .train_seconds = 80,
                .train_images = 4000,
                .val_seconds = 10,
                .val_images = 1000,
                .peak_bytes = int64_t{4} << 30};
    write_results(std::string(kHeader) +
                  "1,0.1,2.5,0.25,1.5,0.5,1,9\n2,0.05,2,0.5,nan,nan,nan,8\n3,0.01,1,1,1,0.75,1,8\n");
    run.epochs = read_results(folder_ / kResultsFile);
    write_run_summary(run);
    write_predictions(folder_ / kPredictionsFile, run.class_names, run.outcomes);
  }
  void write_results(const std::string& text) const { std::ofstream(folder_ / kResultsFile) << text; }

  static std::string complaint(const std::filesystem::path& folder) {
    try {
      read_run(folder);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  const std::filesystem::path root_ = std::filesystem::path(testing::TempDir()) / "convoy_runs";
  const std::filesystem::path folder_ = root_ / "birds";
};

TEST_F(RunFolderTest, EverythingComesBack) {
  write_run();
  const RunSummary run = read_run(folder_.string() + "/");
  EXPECT_EQ(run.folder, folder_);
  EXPECT_EQ(run.version, "0.1.0");
  EXPECT_EQ(run.model, "resnet18");
  EXPECT_EQ(run.image_size, 32);
  EXPECT_EQ(run.class_names, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(run.val_images, 4);
  EXPECT_EQ(run.parameters, 11173962);
  EXPECT_EQ(run.multiply_adds, 555422720);
  EXPECT_EQ(run.planned_bytes, int64_t{3} << 30);
  EXPECT_EQ(run.epochs_planned, 3);
  EXPECT_TRUE(run.finished);
  EXPECT_EQ(run.cost.wall_seconds, 100.5);
  EXPECT_EQ(run.cost.cpu_seconds, 180.25);
  EXPECT_EQ(run.cost.peak_bytes, int64_t{4} << 30);
  EXPECT_EQ(run.train_images_per_second(), 50);
  EXPECT_EQ(run.val_images_per_second(), 100);
  ASSERT_EQ(run.epochs.size(), 3U);
  EXPECT_EQ(run.epochs[0].lr, 0.1);
  EXPECT_TRUE(std::isnan(run.epochs[1].val_top1));
  ASSERT_NE(run.best(), nullptr);
  EXPECT_EQ(run.best()->epoch, 3);
  EXPECT_EQ(run.outcomes, run_with("1101").outcomes);
}

TEST_F(RunFolderTest, ARowThatACrashCutShortIsLeftOut) {
  write_run();
  write_results(std::string(kHeader) + "1,0.1,2.5,0.25,1.5,0.5,1,9\n2,0.05,2,0");
  EXPECT_EQ(read_run(folder_).epochs.size(), 1U);
}

TEST_F(RunFolderTest, ALossThatDivergedIsNoDamage) {
  write_run();
  write_results(std::string(kHeader) + "1,0.1,2.5,0.25,inf,0.5,1,9\n2,0.1,3e38,0.5,nan,0.5,1,9\n");
  EXPECT_EQ(read_run(folder_).epochs.front().val_loss, INFINITY);
}

TEST_F(RunFolderTest, WhatIsNoRunIsNamed) {
  EXPECT_THAT(complaint(root_ / "none"),
              HasSubstr("none: expected a run folder of `convoy train`, but nothing is there"));
  EXPECT_THAT(complaint(folder_), HasSubstr("birds: expected a run folder"));
  write_run();
  EXPECT_THAT(complaint(root_ / "bird"), HasSubstr("(did you mean '" + folder_.string() + "'?)"));
  EXPECT_THAT(complaint(folder_ / kSummaryFile), HasSubstr("expected a run folder"));
}

TEST_F(RunFolderTest, DamageIsNamed) {
  write_run();
  write_results("step,loss\n1,2\n");
  EXPECT_THAT(complaint(folder_), HasSubstr("results.csv: there is no column epoch"));
  write_results(std::string(kHeader) + "x,0.1,2.5,0.25,1.5,0.5,1,9\n");
  EXPECT_THAT(complaint(folder_), HasSubstr("results.csv: row 2: epoch: expected a number"));
  write_results(std::string(kHeader) + "1,0.1,1.7e308,0.1,1.7e308,0.5,0.9,1\n");
  EXPECT_THAT(complaint(folder_), HasSubstr("results.csv: row 2: train_loss: expected a number up to 1e39"));
  for (const char* share : {"-0.1", "1.5", "inf"}) {
    write_results(std::string(kHeader) + "1,0.1,2,0.5,1,0.5,0.9,1\n2,0.1,2,0.5,1," + share + ",0.9,1\n");
    EXPECT_THAT(complaint(folder_), HasSubstr("results.csv: row 3: val_top1: expected a share from 0 to 1")) << share;
  }
  write_results("");
  EXPECT_THAT(complaint(folder_), HasSubstr("results.csv: it has no header"));
  for (const char* text : {"", "{", "[1]", "{\"format\": 2}", "{\"format\": 1, \"version\": 3}"}) {
    std::ofstream(folder_ / kSummaryFile) << text;
    EXPECT_THAT(complaint(folder_), HasSubstr("summary.json: damaged: ")) << text;
    EXPECT_THAT(complaint(folder_), testing::Not(HasSubstr("\n"))) << text;
  }
}

}  // namespace
}  // namespace convoy
