#include "report/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/terminal.h"
#include "core/text.h"

namespace convoy {
namespace {

constexpr int kBarWidth = 30;
constexpr double kRedrawSeconds = 0.1;

double seconds_per_step(const ProgressLoop& loop, const ProgressStep& step) {
  return step.seconds / static_cast<double>(std::max<int64_t>(1, step.step - loop.first_step));
}

std::string format_step_time(double seconds) {
  if (seconds >= 10) return fmt::format("{:.0f}s/step", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.0f}ms/step", seconds * 1e3);
  return fmt::format("{:.0f}us/step", seconds * 1e6);
}

// [====>.....], full at the last step.
std::string draw_bar(int64_t done, int64_t steps, int width) {
  const auto filled = static_cast<size_t>(steps > 0 ? done * width / steps : width);
  std::string bar = std::string(filled, '=') + std::string(static_cast<size_t>(width) - filled, '.');
  if (done < steps && filled > 0) bar[filled - 1] = '>';
  return fmt::format("[{}]", bar);
}

}  // namespace

std::string format_eta(double seconds) {
  const auto whole = static_cast<int64_t>(std::clamp(std::round(seconds), 0.0, 1e9));
  const int64_t hours = whole / 3600;
  const int64_t minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  if (minutes > 0) return fmt::format("{}:{:02}", minutes, whole % 60);
  return fmt::format("{}s", whole);
}

std::string format_bar(const ProgressLoop& loop, const ProgressStep& step, int width) {
  const std::string steps = fmt::format("{}", loop.steps);
  const std::string what = loop.name == "Train" ? "step" : fmt::format("{} step", loop.name);
  const std::string head = fmt::format("{} {:>{}}/{}", what, step.step, steps.size(), steps);
  std::string tail;
  for (const Metric& metric : step.metrics) {
    fmt::format_to(std::back_inserter(tail), " - {}: {:.4f}", metric.name, metric.value);
  }
  const double step_seconds = seconds_per_step(loop, step);
  if (step.step < loop.steps) {
    tail += " - ETA: " + format_eta(step_seconds * static_cast<double>(loop.steps - step.step));
  }
  tail += " - " + format_step_time(step_seconds);

  // The last column stays free: a terminal that wraps there would turn the redrawn line into a new one each time.
  const int room = std::max(width - 1, 0);
  const int bar_room = room - static_cast<int>(head.size() + tail.size()) - 3;
  std::string line = head;
  if (bar_room >= 4) line += fmt::format(" {}", draw_bar(step.step, loop.steps, std::min(kBarWidth, bar_room)));
  line += tail;
  return line.substr(0, static_cast<size_t>(room));
}

std::string format_line(const ProgressLoop& loop, const ProgressStep& step) {
  const double batch_cost = seconds_per_step(loop, step);
  const double reader_cost =
      step.reader_seconds / static_cast<double>(std::max<int64_t>(1, step.step - loop.first_step));
  const double steps_left = static_cast<double>(loop.steps - step.step) + loop.later_steps;
  std::string line = fmt::format("[{}]", loop.name);
  if (loop.epochs > 0) line += fmt::format("[Epoch {}/{}]", loop.epoch, loop.epochs);
  line += fmt::format("[Iter: {}/{}]", step.step, loop.steps);
  if (step.lr > 0) line += fmt::format(" lr: {:.6g},", step.lr);
  for (const Metric& metric : step.metrics) {
    fmt::format_to(std::back_inserter(line), " {}: {:.4f},", metric.name, metric.value);
  }
  const double images_per_second = batch_cost > 0 ? static_cast<double>(loop.batch_size) / batch_cost : 0;
  return line + fmt::format(" batch_cost: {:.3f}s, reader_cost: {:.3f}s, ips: {:.1f} images/s, eta: {}", batch_cost,
                            reader_cost, images_per_second, format_eta(batch_cost * steps_left));
}

Progress::Progress(std::FILE* out, double line_seconds) : out_(out), line_seconds_(line_seconds) {
  if (can_redraw(out)) width_ = [out] { return terminal_width(out); };
}

void Progress::begin(const ProgressLoop& loop) {
  end();
  loop_ = loop;
  drawn_at_ = 0;
  if (width_ && loop.epoch != announced_epoch_) line(fmt::format("Epoch {}/{}", loop.epoch, loop.epochs));
  announced_epoch_ = loop.epoch;
}

void Progress::update(const ProgressStep& step) {
  const bool last = step.step >= loop_.steps;
  const double pause = width_ ? kRedrawSeconds : line_seconds_;
  if (!last && step.seconds < drawn_at_ + pause) return;
  drawn_at_ = step.seconds;
  if (!width_) {
    line(format_line(loop_, step));
    return;
  }
  // Carriage return, the line, and "erase to the end of the line" for what a longer line left there.
  std::fputs(fmt::format("\r{}\x1b[K", format_bar(loop_, step, width_())).c_str(), out_);
  std::fflush(out_);
  in_bar_ = true;
  if (last) end();
}

void Progress::line(std::string_view text) {
  end();
  std::fputs(fmt::format("{}\n", printable(text)).c_str(), out_);
  std::fflush(out_);
}

void Progress::end() {
  if (!in_bar_) return;
  in_bar_ = false;
  std::fputc('\n', out_);
  std::fflush(out_);
}

}  // namespace convoy
