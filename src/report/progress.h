// What a user sees of a loop that goes on: a bar on a terminal, plain lines elsewhere.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace convoy {

struct Metric {
  std::string_view name;
  double value = 0;
};

// A loop over the steps of one epoch, or of none where `epochs` is 0.
struct ProgressLoop {
  std::string_view name = "Train";
  int epoch = 0;
  int epochs = 0;
  int64_t steps = 0;
  // Steps of the epochs to come, in steps that last as long as this loop's, for the eta of plain lines.
  double later_steps = 0;
  // Steps done before this loop began, by the run that it resumes.
  int64_t first_step = 0;
  int64_t batch_size = 0;
};

// How far the loop is; times are in seconds since it began.
struct ProgressStep {
  // Steps done, counted from the start of the epoch.
  int64_t step = 0;
  double seconds = 0;
  // The part of `seconds` in which the loop waited for data.
  double reader_seconds = 0;
  double lr = 0;
  std::span<const Metric> metrics;
};

// On a terminal one line that is drawn over and over, at most ten times a second and as wide as the terminal then is:
//   step 12/45 [=>....] - loss: 1.2345 - acc: 0.5123 - ETA: 1:23 - 45ms/step
// with "Eval step" where it does not train;
// elsewhere a line at most every `line_seconds`, the last step always:
//   [Train][Epoch 3/120][Iter: 10/391] lr: 0.1, loss: 1.2345, batch_cost: 0.045s, reader_cost: 0.001s, ips: 711.1
//   images/s, eta: 1:23
// where eta counts the steps of later epochs, too. Failing writes are no error: nobody is looking.
class Progress {
 public:
  // Looks at what `out` is connected to, where TERM=dumb counts as none; `line_seconds` 0 prints every step.
  explicit Progress(std::FILE* out, double line_seconds = 5);
  // A terminal width() columns wide, which is asked at every redraw; none where there is no function.
  Progress(std::FILE* out, double line_seconds, std::function<int()> width)
      : out_(out), line_seconds_(line_seconds), width_(std::move(width)) {}
  ~Progress() { end(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void begin(const ProgressLoop& loop);
  void update(const ProgressStep& step);
  // Prints a line of its own, below a bar that is being drawn.
  void line(std::string_view text);
  // Ends the line of a bar that is being drawn, so that others may write.
  void end();

 private:
  std::FILE* out_;
  double line_seconds_;
  std::function<int()> width_;
  ProgressLoop loop_;
  int announced_epoch_ = 0;
  double drawn_at_ = 0;
  bool in_bar_ = false;
};

// "1:23", "1:02:03"; "45s" below a minute, as Keras and hapi write it.
std::string format_eta(double seconds);

// The two forms, without the end of the line.
std::string format_bar(const ProgressLoop& loop, const ProgressStep& step, int width);
std::string format_line(const ProgressLoop& loop, const ProgressStep& step);

}  // namespace convoy
