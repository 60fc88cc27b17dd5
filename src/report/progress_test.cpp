#include "report/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <vector>

namespace convoy {
namespace {

const std::vector<Metric> kMetrics = {{"loss", 1.23454}, {"acc", 0.5123}};

ProgressLoop loop_of(int64_t steps) {
  ProgressLoop loop;
  loop.epoch = 3;
  loop.epochs = 5;
  loop.steps = steps;
  loop.batch_size = 32;
  return loop;
}

ProgressStep step_of(int64_t step, double seconds) {
  ProgressStep result;
  result.step = step;
  result.seconds = seconds;
  result.metrics = kMetrics;
  return result;
}

TEST(FormatBar, LooksLikeHapi) {
  EXPECT_EQ(format_bar(loop_of(45), step_of(12, 0.54), 120),
            "step 12/45 [=======>......................] - loss: 1.2345 - acc: 0.5123 - ETA: 1s - 45ms/step");
  EXPECT_EQ(format_bar(loop_of(45), step_of(3, 9), 120),
            "step  3/45 [=>............................] - loss: 1.2345 - acc: 0.5123 - ETA: 2:06 - 3000ms/step");
  EXPECT_EQ(format_bar(loop_of(45), step_of(45, 0.009), 120),
            "step 45/45 [==============================] - loss: 1.2345 - acc: 0.5123 - 200us/step");
}

TEST(FormatBar, SaysThatItEvaluates) {
  ProgressLoop loop = loop_of(45);
  loop.name = "Eval";
  EXPECT_THAT(format_bar(loop, step_of(12, 0.54), 120), testing::StartsWith("Eval step 12/45 [===="));
}

TEST(FormatBar, IsNarrowerThanTheTerminal) {
  for (int width = 0; width <= 120; ++width) {
    EXPECT_LE(format_bar(loop_of(45), step_of(12, 0.54), width).size(), static_cast<size_t>(std::max(0, width - 1)));
  }
  EXPECT_EQ(format_bar(loop_of(45), step_of(12, 0.54), 80),
            "step 12/45 [===>...........] - loss: 1.2345 - acc: 0.5123 - ETA: 1s - 45ms/step");
  EXPECT_EQ(format_bar(loop_of(45), step_of(12, 0.54), 40), "step 12/45 - loss: 1.2345 - acc: 0.5123");
}

TEST(FormatBar, AResumedEpochCountsTheTimeOfItsOwnSteps) {
  ProgressLoop loop = loop_of(45);
  loop.first_step = 40;
  EXPECT_THAT(format_bar(loop, step_of(42, 2), 120), testing::HasSubstr("- ETA: 3s - 1000ms/step"));
}

TEST(FormatLine, HasNoEpochOutsideOfTraining) {
  ProgressLoop loop;
  loop.name = "Eval";
  loop.steps = 45;
  EXPECT_THAT(format_line(loop, step_of(12, 0.54)), testing::StartsWith("[Eval][Iter: 12/45] loss: 1.2345"));
}

TEST(FormatLine, HasWhatPaddleClasPrints) {
  ProgressStep step = step_of(10, 0.5);
  step.reader_seconds = 0.02;
  step.lr = 0.05;
  ProgressLoop loop = loop_of(30);
  loop.later_steps = 60;
  EXPECT_EQ(format_line(loop, step),
            "[Train][Epoch 3/5][Iter: 10/30] lr: 0.05, loss: 1.2345, acc: 0.5123, batch_cost: 0.050s, "
            "reader_cost: 0.002s, ips: 640.0 images/s, eta: 4s");
}

TEST(FormatEta, IsShort) {
  EXPECT_EQ(format_eta(4.4), "4s");
  EXPECT_EQ(format_eta(83), "1:23");
  EXPECT_EQ(format_eta(3723), "1:02:03");
  EXPECT_EQ(format_eta(-1), "0s");
  EXPECT_EQ(format_eta(std::numeric_limits<double>::infinity()), "277777:46:40");
}

// What a Progress wrote to a file.
class Written {
 public:
  Written() : file_(std::tmpfile()) {}
  ~Written() { std::fclose(file_); }

  std::FILE* file() const { return file_; }
  std::string text() const {
    std::array<char, 4096> bytes{};
    std::rewind(file_);
    return {bytes.data(), std::fread(bytes.data(), 1, bytes.size(), file_)};
  }

 private:
  std::FILE* file_;
};

TEST(Progress, RedrawsOneLineOnATerminal) {
  const Written written;
  Progress progress(written.file(), 5, [] { return 60; });
  progress.begin(loop_of(3));
  progress.update(step_of(1, 0.2));
  progress.update(step_of(2, 0.25));
  progress.line("photos/a\x1B[2J.jpg: truncated, skipped");
  progress.update(step_of(3, 0.3));
  EXPECT_EQ(written.text(),
            "Epoch 3/5\n"
            "\rstep 1/3 - loss: 1.2345 - acc: 0.5123 - ETA: 0s - 200ms/ste\x1b[K\n"
            "photos/a?[2J.jpg: truncated, skipped\n"
            "\rstep 3/3 [======] - loss: 1.2345 - acc: 0.5123 - 100ms/step\x1b[K\n");
}

TEST(Progress, FollowsATerminalThatChangesItsWidth) {
  const Written written;
  int width = 60;
  Progress progress(written.file(), 5, [&] { return width; });
  progress.begin(loop_of(3));
  progress.update(step_of(1, 0.2));
  width = 20;
  progress.update(step_of(2, 0.4));
  width = 60;
  progress.update(step_of(3, 0.6));
  EXPECT_EQ(written.text(),
            "Epoch 3/5\n"
            "\rstep 1/3 - loss: 1.2345 - acc: 0.5123 - ETA: 0s - 200ms/ste\x1b[K"
            "\rstep 2/3 - loss: 1.\x1b[K"
            "\rstep 3/3 [======] - loss: 1.2345 - acc: 0.5123 - 200ms/step\x1b[K\n");
}

TEST(Progress, EndsTheLineOfABarForOthersToWrite) {
  const Written written;
  {
    Progress progress(written.file(), 5, [] { return 21; });
    progress.begin(loop_of(3));
    progress.update(step_of(1, 0.2));
    progress.end();
    std::fputs("stopped\n", written.file());
    progress.end();
  }
  EXPECT_EQ(written.text(), "Epoch 3/5\n\rstep 1/3 - loss: 1.2\x1b[K\nstopped\n");
}

TEST(Progress, PrintsALineNowAndThenElsewhere) {
  const Written written;
  Progress progress(written.file(), 5);
  progress.begin(loop_of(4));
  progress.update(step_of(1, 4));
  progress.update(step_of(2, 8));
  progress.update(step_of(3, 12));
  progress.update(step_of(4, 12.5));
  const std::string text = written.text();
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("Iter: 1/4")));
  EXPECT_THAT(text, testing::HasSubstr("[Train][Epoch 3/5][Iter: 2/4] loss"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("Iter: 3/4")));
  EXPECT_THAT(text, testing::HasSubstr("[Train][Epoch 3/5][Iter: 4/4] loss"));
}

}  // namespace
}  // namespace convoy
