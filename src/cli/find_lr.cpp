// `convoy find-lr DIR`: how the loss answers to growing learning rates.
#include "convoy/find_lr.h"

#include <algorithm>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/recipe_flags.h"
#include "convoy/error.h"
#include "formats/atomic_file.h"
#include "report/run_charts.h"

namespace convoy::cli {
namespace {

// What the losses of a sweep depend on, and how fast it is.
constexpr std::string_view kFields[] = {
    "val-split",     "on-bad-image", "Network",    "batch-size",      "grad-accum-steps", "seed",
    "loss",          "smoothing",    "opt",        "momentum",        "nesterov",         "opt-betas",
    "opt-eps",       "weight-decay", "decay-mode", "decay-norms",     "bias-lr-scale",    "layer-decay",
    "head-lr-scale", "clip-grad",    "lookahead",  "lookahead-decay", "Augmentation",     "Preprocessing",
    "threads",       "workers",      "cache",      "cache-dir",       "cache-size"};

struct Options {
  explicit Options(CLI::App& app) : recipe(app, kFields) {}

  RecipeFlags recipe;
  std::string data;
  LearningRateSweep sweep;
  std::string csv;
  std::string chart;
  bool json = false;
};

void write_csv(const std::string& path, const LearningRateCurve& curve) {
  std::string text = "lr,loss,smoothed_loss\n";
  for (const LearningRatePoint& point : curve.points) {
    text += fmt::format("{},{},{}\n", point.lr, point.loss, point.smoothed);
  }
  write_file_atomically(path, text);
}

// Some twenty of the points.
void print_table(const LearningRateCurve& curve) {
  const size_t step = std::max<size_t>(1, curve.points.size() / 20);
  print("{:>10} {:>10} {:>10}\n", "lr", "loss", "smoothed");
  for (size_t i = 0; i < curve.points.size(); i += step) {
    const LearningRatePoint& point = curve.points[i];
    print("{:10.3g} {:10.4f} {:10.4f}\n", point.lr, point.loss, point.smoothed);
  }
}

void print_advice(const LearningRateCurve& curve, const LearningRateSweep& sweep) {
  if (const auto& advice = curve.advice) {
    print(
        "the loss falls from {:.3f} to {:.3f} (noise {:.2g}) and stays there up to a learning rate of {:.2g}\n"
        "other rules: valley {:.2g}, steepest {:.2g}, a tenth of the least's {:.2g}\n"
        "try --lr {:.2g}\n",
        curve.start, curve.least, curve.noise, advice->edge, advice->valley, advice->steepest, advice->minimum,
        advice->suggestion);
  } else if (curve.points.size() < 2 * kSettlingPoints) {
    print("no advice: {} points are too few; try --updates {}{}\n", curve.points.size(), 4 * sweep.updates,
          curve.diverged ? " and a lower --first-lr" : "");
  } else {
    print(
        "no advice: between {:.2g} and {:.2g} the loss falls by {:.2g}, less than {} times its noise of {:.2g}; try a "
        "larger --batch-size, other rates or --updates {}\n",
        sweep.first_lr, curve.points.back().lr, curve.start - curve.least, kRealFall, curve.noise, 4 * sweep.updates);
  }
}

void print_json_curve(const LearningRateCurve& curve) {
  nlohmann::ordered_json points = nlohmann::ordered_json::array();
  for (const LearningRatePoint& point : curve.points) {
    points.push_back({{"lr", point.lr}, {"loss", point.loss}, {"smoothed", point.smoothed}});
  }
  nlohmann::ordered_json root = {{"suggestion", nullptr}, {"start", curve.start},       {"least", curve.least},
                                 {"noise", curve.noise},  {"diverged", curve.diverged}, {"points", points}};
  if (const auto& advice = curve.advice) {
    root["suggestion"] = advice->suggestion;
    root["rules"] = {{"edge", advice->edge},
                     {"valley", advice->valley},
                     {"steepest", advice->steepest},
                     {"minimum", advice->minimum}};
  }
  print_json(root);
}

int run(const Options& options) {
  Recipe recipe = options.recipe.resolve();
  if (!options.data.empty()) recipe.data = options.data;
  if (!options.chart.empty()) check_picture_name(options.chart);
  for (const std::string& file : {options.csv, options.chart}) {
    if (!file.empty()) check_can_write(file);
  }
  const Interrupt interrupt;
  const LearningRateCurve curve = find_learning_rate(recipe, options.sweep, {}, &interrupt.requested());
  if (interrupt.requested()) {
    if (!options.json) print("stopped after {} of {} updates\n", curve.points.size(), options.sweep.updates);
    return kInterrupted;
  }
  if (!options.csv.empty()) write_csv(options.csv, curve);
  if (!options.chart.empty()) learning_rate_chart(curve).save(options.chart, 2);
  if (options.json) {
    print_json_curve(curve);
    return 0;
  }
  if (recipe.unfreeze_after > 0 && !recipe.freeze.empty()) {
    print("swept as the run begins: {} stays frozen for {} epochs\n", recipe.freeze, recipe.unfreeze_after);
  }
  print_table(curve);
  print_advice(curve, options.sweep);
  return 0;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>(app);
  app.add_option("DIR", options->data, "Images, as for convoy train")->type_name("DIR");
  LearningRateSweep& sweep = options->sweep;
  app.add_option("--first-lr", sweep.first_lr, fmt::format("Least learning rate [{}]", sweep.first_lr))->type_name("X");
  app.add_option("--last-lr", sweep.last_lr, fmt::format("Greatest learning rate [{}]", sweep.last_lr))->type_name("X");
  app.add_option("--updates", sweep.updates, fmt::format("Updates in which it grows [{}]", sweep.updates))
      ->type_name("N");
  app.add_option("--loss-smoothing", sweep.smoothing,
                 fmt::format("Decay rate of the average of the loss [{}]", sweep.smoothing))
      ->type_name("X");
  app.add_option("--csv", options->csv, "Also write every point to this file")->type_name("FILE");
  app.add_option("--chart", options->chart, "Also draw the curve: .png or .svg")->type_name("FILE");
  app.add_flag("--json", options->json, "Print one JSON object");
  return [options] { return run(*options); };
}

}  // namespace

const Command kFindLr = {
    "find-lr",
    "Find a learning rate to train with",
    "  convoy find-lr photos --model resnet18 --img-size 128\n"
    "  convoy find-lr photos --recipe recipe.toml --opt adamw --last-lr 1 --chart curve.png\n"
    "Trains for a moment while the learning rate grows from step to step, and keeps nothing but the losses.",
    declare,
};

}  // namespace convoy::cli
