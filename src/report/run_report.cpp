#include "convoy/run_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <limits>
#include <optional>
#include <vector>

#include "convoy/comparison.h"
#include "convoy/version.h"
#include "report/csv.h"
#include "report/evaluation_charts.h"
#include "report/progress.h"
#include "report/run_charts.h"
#include "report/run_summary.h"
#include "report/tensorboard.h"

namespace convoy {
namespace {

const std::array<std::string, 8> kColumns = {"epoch",    "lr",       "train_loss", "train_top1",
                                             "val_loss", "val_top1", "val_top5",   "seconds"};

float to_float(double value) { return static_cast<float>(value); }

}  // namespace

struct RunReport::Parts {
  void begin(const TrainStart& started);
  void epoch_begin(const EpochStart& report);
  void step(const StepReport& report);
  void validation_step(const ValidationStepReport& report);
  void epoch(const EpochReport& report);
  void end(const TrainResult& result);
  void warning(const std::string& text);
  void save_summary(const RunCost& cost, bool finished) const;

  std::optional<Progress> progress;
  std::optional<CsvWriter> results;
  std::optional<EventWriter> events;
  TrainStart start;
  // What the bar shows at the moment.
  int64_t shown_epoch = -1;
  EpochStart epoch_start;
  std::string shown_stage;
  bool validating = false;
};

void RunReport::Parts::begin(const TrainStart& started) {
  start = started;
  results.emplace(start.folder / kResultsFile, kColumns, start.first_epoch);
  events.emplace(start.folder, start.first_batch);
}

void RunReport::Parts::epoch_begin(const EpochStart& report) {
  epoch_start = report;
  const Recipe& recipe = start.recipe;
  if (!progress || (recipe.progressive_stages == 1 && recipe.unfreeze_after == 0)) return;
  std::vector<std::string> parts;
  if (recipe.progressive_stages > 1) parts.push_back(fmt::format("image size {}", report.image_size));
  if (recipe.progressive_drop) parts.push_back(fmt::format("dropout {:.3g}", *report.drop));
  if (recipe.progressive_mixup) parts.push_back(fmt::format("mixup {:.3g}", report.mixup));
  if (recipe.progressive_magnitude) parts.push_back(fmt::format("aa {}", report.aa));
  if (recipe.unfreeze_after > 0) parts.push_back(report.frozen ? recipe.freeze + " frozen" : "nothing frozen");
  const std::string stage = fmt::format("{}", fmt::join(parts, ", "));
  if (stage == shown_stage) return;
  progress->line(fmt::format("from epoch {}: {}", report.epoch + 1, stage));
  shown_stage = stage;
}

// What is known of the run, with the rows of results.csv.
void RunReport::Parts::save_summary(const RunCost& cost, bool finished) const {
  write_run_summary({.folder = start.folder,
                     .version = std::string(version()),
                     .model = start.recipe.model,
                     .image_size = start.recipe.img_size.value_or(0),
                     .batch_size = start.batch_size,
                     .class_names = start.class_names,
                     .train_images = start.train_images,
                     .val_images = start.val_images,
                     .parameters = start.parameters,
                     .multiply_adds = start.multiply_adds,
                     .planned_bytes = static_cast<int64_t>(start.planned_bytes),
                     .epochs_planned = start.recipe.epochs,
                     .finished = finished,
                     .cost = cost,
                     .epochs = read_results(start.folder / kResultsFile),
                     .outcomes = {}});
}

void RunReport::Parts::end(const TrainResult& result) {
  if (progress) progress->end();
  save_summary(result.cost, result.ending == TrainEnding::finished || result.ending == TrainEnding::no_progress);
  const RunSummary run = read_run(start.folder);
  save_png_and_svg(results_chart(run), start.folder / "results");
  if (run.outcomes.empty()) return;
  const EvaluationReport best = make_evaluation_report(run.class_names, run.outcomes);
  save_png_and_svg(confusion_matrix_chart(best), start.folder / "confusion_matrix");
}

void RunReport::Parts::step(const StepReport& report) {
  if (progress) {
    if (shown_epoch != report.epoch || validating) {
      ProgressLoop loop;
      loop.epoch = static_cast<int>(report.epoch + 1);
      loop.epochs = static_cast<int>(start.recipe.epochs);
      loop.steps = epoch_start.steps;
      loop.later_steps = static_cast<double>(start.steps_per_epoch) * epoch_start.later_epochs;
      loop.first_step = report.epoch == start.first_epoch ? start.first_step : 0;
      loop.batch_size = start.batch_size;
      progress->begin(loop);
      shown_epoch = report.epoch;
      validating = false;
    }
    const std::array<Metric, 2> metrics = {{{"loss", report.loss}, {"acc", report.top1}}};
    progress->update({report.step, report.seconds, report.reader_seconds, report.lr, metrics});
  }
  if (report.batches % start.recipe.log_interval == 0) {
    events->append(report.batches, std::array<Scalar, 2>{{{"train/step_loss", to_float(report.step_loss)},
                                                          {"train/lr", to_float(report.lr)}}});
  }
}

void RunReport::Parts::validation_step(const ValidationStepReport& report) {
  if (!progress) return;
  if (!validating) {
    ProgressLoop loop;
    loop.name = "Eval";
    loop.epoch = static_cast<int>(report.epoch + 1);
    loop.epochs = static_cast<int>(start.recipe.epochs);
    loop.steps = report.steps;
    loop.batch_size = start.batch_size;
    progress->begin(loop);
    validating = true;
  }
  const std::array<Metric, 2> metrics = {{{"loss", report.so_far.loss}, {"acc", report.so_far.top1}}};
  progress->update({report.step, report.seconds, report.reader_seconds, 0, metrics});
}

void RunReport::Parts::epoch(const EpochReport& report) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const bool has_val = report.val.has_value();
  const Evaluation val = report.val.value_or(Evaluation{});
  const auto number = static_cast<double>(report.epoch + 1);
  results->append(std::array{number, report.lr, report.train_loss, report.train_top1, has_val ? val.loss : kNone,
                             has_val ? val.top1 : kNone, has_val ? val.top5 : kNone, report.seconds});

  save_summary(report.cost, false);

  std::vector<Scalar> scalars = {{"train/loss", to_float(report.train_loss)},
                                 {"train/top1", to_float(report.train_top1)}};
  if (has_val) {
    scalars.push_back({"val/loss", to_float(val.loss)});
    scalars.push_back({"val/top1", to_float(val.top1)});
    if (start.class_names.size() > 5) scalars.push_back({"val/top5", to_float(val.top5)});
  }
  events->append(report.batches, scalars);

  if (progress) {
    std::string line = fmt::format("epoch {}/{}: lr {:.6g}, train loss {:.4f}, acc {:.4f}", report.epoch + 1,
                                   start.recipe.epochs, report.lr, report.train_loss, report.train_top1);
    if (has_val) line += fmt::format("; val loss {:.4f}, acc {:.4f}", val.loss, val.top1);
    progress->line(line + (report.best ? " (best)" : ""));
    if (report.saved_best && start.recipe.save_best_above) {
      progress->line(
          fmt::format("best acc is {:.4f} at epoch {}: saved best.safetensors", report.val->top1, report.epoch + 1));
    }
  }
}

void RunReport::Parts::warning(const std::string& text) {
  if (progress) progress->line(fmt::format("warning: {}", text));
}

RunReport::RunReport(std::FILE* progress) : parts_(std::make_unique<Parts>()) {
  if (progress != nullptr) parts_->progress.emplace(progress);
}

RunReport::~RunReport() = default;

TrainCallbacks RunReport::callbacks() {
  Parts* parts = parts_.get();
  return {
      .on_train_begin = [parts](const TrainStart& start) { parts->begin(start); },
      .on_epoch_begin = [parts](const EpochStart& report) { parts->epoch_begin(report); },
      .on_step_end = [parts](const StepReport& report) { parts->step(report); },
      .on_validation_step_end = [parts](const ValidationStepReport& report) { parts->validation_step(report); },
      .on_epoch_end = [parts](const EpochReport& report) { parts->epoch(report); },
      .on_train_end = [parts](const TrainResult& result) { parts->end(result); },
      .on_warning = [parts](const std::string& text) { parts->warning(text); },
  };
}

}  // namespace convoy
