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
    "val-split",       "on-bad-image", "Network",       "batch-size",    "grad-accum-steps", "seed",
    "smoothing",       "opt",          "momentum",      "nesterov",      "opt-betas",        "opt-eps",
    "weight-decay",    "decay-mode",   "decay-norms",   "bias-lr-scale", "clip-grad",        "lookahead",
    "lookahead-decay", "Augmentation", "Preprocessing", "threads",       "workers"};

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

// Some twenty of the points, the suggested one marked.
void print_table(const LearningRateCurve& curve) {
  const size_t step = std::max<size_t>(1, curve.points.size() / 20);
  print("{:>10} {:>10} {:>10}\n", "lr", "loss", "smoothed");
  for (size_t i = 0; i < curve.points.size(); ++i) {
    const LearningRatePoint& point = curve.points[i];
    const bool suggested = curve.suggestion == point.lr;
    if (i % step != 0 && !suggested) continue;
    print("{:10.3g} {:10.4f} {:10.4f}{}\n", point.lr, point.loss, point.smoothed, suggested ? "  <" : "");
  }
}

void print_json_curve(const LearningRateCurve& curve) {
  nlohmann::ordered_json points = nlohmann::ordered_json::array();
  for (const LearningRatePoint& point : curve.points) {
    points.push_back({{"lr", point.lr}, {"loss", point.loss}, {"smoothed", point.smoothed}});
  }
  nlohmann::ordered_json root = {{"suggestion", nullptr}, {"diverged", curve.diverged}, {"points", points}};
  if (curve.suggestion) root["suggestion"] = *curve.suggestion;
  print_json(root);
}

int run(const Options& options) {
  Recipe recipe = options.recipe.resolve();
  if (!options.data.empty()) recipe.data = options.data;
  if (!options.chart.empty()) check_picture_name(options.chart);
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
  print_table(curve);
  if (curve.suggestion) {
    print("the loss falls most steeply at a learning rate of {:.3g}; try --lr {:.2g}\n", *curve.suggestion,
          *curve.suggestion);
  } else if (curve.points.size() <= kSettlingPoints) {
    print("{} points are too few to tell where the loss falls; try --updates {}{}\n", curve.points.size(),
          4 * options.sweep.updates, curve.diverged ? " and a lower --first-lr" : "");
  } else {
    print("the loss never falls between {:.3g} and {:.3g}; try --updates {}\n", options.sweep.first_lr,
          curve.points.back().lr, 4 * options.sweep.updates);
  }
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
