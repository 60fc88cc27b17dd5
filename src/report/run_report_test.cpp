#include "convoy/run_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace convoy {
namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class RunReportTest : public testing::Test {
 protected:
  RunReportTest() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~RunReportTest() override { std::filesystem::remove_all(folder_); }

  TrainStart start(int64_t first_epoch) const {
    TrainStart start;
    start.folder = folder_;
    start.recipe.epochs = 3;
    start.batch_size = 8;
    start.steps_per_epoch = 4;
    start.first_epoch = first_epoch;
    return start;
  }

  static EpochReport epoch(int64_t number, double loss) {
    EpochReport report;
    report.epoch = number;
    report.batches = 4 * (number + 1);
    report.lr = 0.125;
    report.train_loss = loss;
    report.train_top1 = 0.5;
    report.seconds = 2;
    return report;
  }

  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "convoy_run_report";
};

TEST_F(RunReportTest, WritesARowAnEpochAndGoesOnWhereAResumedRunBegins) {
  {
    RunReport report(nullptr);
    const TrainCallbacks callbacks = report.callbacks();
    callbacks.on_train_begin(start(0));
    callbacks.on_epoch_end(epoch(0, 2));
    EpochReport validated = epoch(1, 1.5);
    validated.val = Evaluation{100, 1.25, 0.625, 0.875};
    callbacks.on_epoch_end(validated);
  }
  const std::string header = "epoch,lr,train_loss,train_top1,val_loss,val_top1,val_top5,seconds\n";
  const std::string first = "1,0.125,2,0.5,nan,nan,nan,2\n";
  EXPECT_EQ(text_of(folder_ / "results.csv"), header + first + "2,0.125,1.5,0.5,1.25,0.625,0.875,2\n");

  RunReport resumed(nullptr);
  resumed.callbacks().on_train_begin(start(1));
  resumed.callbacks().on_epoch_end(epoch(1, 1));
  EXPECT_EQ(text_of(folder_ / "results.csv"), header + first + "2,0.125,1,0.5,nan,nan,nan,2\n");
}

TEST_F(RunReportTest, TellsOfStepsValidationAndWarnings) {
  std::FILE* out = std::tmpfile();
  RunReport report(out);
  const TrainCallbacks callbacks = report.callbacks();
  callbacks.on_train_begin(start(0));
  EpochStart begin;
  begin.steps = 2;  // of a run that max-updates ends within the epoch
  begin.later_epochs = 2;
  callbacks.on_epoch_begin(begin);
  StepReport step;
  step.step = 2;
  step.batches = 4;
  step.lr = 0.5;
  step.loss = 1.5;
  step.top1 = 0.25;
  step.seconds = 2;
  callbacks.on_step_end(step);
  callbacks.on_warning("photos/a.jpg: truncated, skipped");
  ValidationStepReport validation;
  validation.step = validation.steps = 2;
  validation.so_far = {16, 1.25, 0.5, 1};
  callbacks.on_validation_step_end(validation);
  EpochReport end = epoch(0, 1.5);
  end.best = true;
  callbacks.on_epoch_end(end);

  std::string text(4096, '\0');
  std::rewind(out);
  text.resize(std::fread(text.data(), 1, text.size(), out));
  std::fclose(out);
  EXPECT_THAT(text, testing::HasSubstr("[Train][Epoch 1/3][Iter: 2/2] lr: 0.5, loss: 1.5000, acc: 0.2500, "
                                       "batch_cost: 1.000s, reader_cost: 0.000s, ips: 8.0 images/s, eta: 8s\n"));
  EXPECT_THAT(text, testing::HasSubstr("warning: photos/a.jpg: truncated, skipped\n"));
  EXPECT_THAT(text, testing::HasSubstr("[Eval][Epoch 1/3][Iter: 2/2] loss: 1.2500, acc: 0.5000"));
  EXPECT_THAT(text, testing::HasSubstr("epoch 1/3: lr 0.125, train loss 1.5000, acc 0.5000 (best)\n"));
}

}  // namespace
}  // namespace convoy
