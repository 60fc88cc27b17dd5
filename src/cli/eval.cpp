// `convoy eval [MODEL] [DIR]`: how well a trained classifier does, in all and per class, and where it goes wrong.
#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/trained.h"
#include "convoy/error.h"
#include "data/loader.h"
#include "formats/atomic_file.h"
#include "report/progress.h"
#include "train/run_folder.h"

namespace convoy::cli {
namespace {

struct Options {
  TrainedFlags trained;
  std::vector<std::string> paths;  // the model, if it is not --checkpoint, and the data, if it is named
  std::string part;
  std::string output;
  size_t errors = 5;
  std::string on_bad_image = "error";
  bool json = false;
};

// CLI11 would write "DIR(1x)".
struct HelpFormatter : CLI::Formatter {
  std::string make_option_usage(const CLI::Option*) const override { return "[MODEL] [DIR]"; }
};

const std::string& name_of(const EvaluationReport& report, int label) {
  return report.classes[static_cast<size_t>(label)].class_name;
}

nlohmann::ordered_json classes_json(const EvaluationReport& report) {
  nlohmann::ordered_json classes = nlohmann::ordered_json::array();
  for (const ClassReport& row : report.classes) {
    classes.push_back({{"class", row.class_name},
                       {"images", row.images},
                       {"precision", row.precision()},
                       {"recall", row.recall()},
                       {"f1", row.f1()}});
  }
  return classes;
}

nlohmann::ordered_json calibration_json(const EvaluationReport& report) {
  nlohmann::ordered_json bins = nlohmann::ordered_json::array();
  for (const CalibrationBin& bin : report.calibration) {
    bins.push_back({{"lower", bin.lower},
                    {"upper", bin.upper},
                    {"images", bin.images},
                    {"confidence", bin.confidence},
                    {"accuracy", bin.accuracy}});
  }
  return bins;
}

nlohmann::ordered_json errors_json(const EvaluationReport& report, size_t most) {
  nlohmann::ordered_json errors = nlohmann::ordered_json::array();
  for (const ImageOutcome& error : report.confident_errors(most)) {
    errors.push_back({{"image", error.image},
                      {"class", name_of(report, error.label)},
                      {"predicted", name_of(report, error.predicted)},
                      {"confidence", error.confidence}});
  }
  return errors;
}

nlohmann::ordered_json to_json(const Options& options, const std::string& model, const EvaluationReport& report) {
  const MacroAverage macro = report.macro_average();
  nlohmann::ordered_json json = {
      {"checkpoint", model},
      {"evaluated", report.evaluated},
      {"tta", options.trained.tta},
      {"images", report.total.images},
      {"trained_on", report.trained_on},
      {"loss", report.total.loss},
      {"top1", report.total.top1},
      {"top5", nullptr},
      {"not_trained_on", nullptr},
      {"calibration_error", report.calibration_error},
      {"seconds", report.seconds},
      {"macro_average", {{"precision", macro.precision}, {"recall", macro.recall}, {"f1", macro.f1}}},
      {"classes", classes_json(report)},
      {"confusion", report.confusion},
      {"errors", errors_json(report, options.errors)},
      {"calibration", calibration_json(report)},
      {"skipped", report.skipped}};
  if (report.has_top5()) json["top5"] = report.total.top5;
  if (const auto& others = report.not_trained_on) {
    json["not_trained_on"] = {{"images", others->images}, {"loss", others->loss}, {"top1", others->top1}};
  }
  return json;
}

void print_classes(const EvaluationReport& report) {
  constexpr std::string_view kMacro = "macro average";
  size_t width = kMacro.size();
  for (const ClassReport& row : report.classes) width = std::max(width, row.class_name.size());
  const auto print_row = [&](std::string_view name, const std::string& images, double precision, double recall,
                             double f1) {
    print("{:<{}}  {:>7}  {:>9.4f}  {:>7.4f}  {:>7.4f}\n", name, width, images, precision, recall, f1);
  };
  print("{:<{}}  {:>7}  {:>9}  {:>7}  {:>7}\n", "class", width, "images", "precision", "recall", "F1");
  for (const ClassReport& row : report.classes) {
    print_row(row.class_name, fmt::to_string(row.images), row.precision(), row.recall(), row.f1());
  }
  const MacroAverage macro = report.macro_average();
  print_row(kMacro, "", macro.precision, macro.recall, macro.f1);
}

// Rows are true classes, columns predicted ones, named by their numbers.
void print_confusion(const EvaluationReport& report) {
  constexpr size_t kMostClasses = 20;
  if (report.classes.size() > kMostClasses) return;
  size_t width = 0;
  for (const ClassReport& row : report.classes) width = std::max(width, row.class_name.size());
  std::string head = fmt::format("{:<{}}", "true class", width + 4);
  for (size_t i = 1; i <= report.classes.size(); ++i) head += fmt::format(" {:>5}", i);
  print("\nconfusion matrix\n{}\n", head);
  for (size_t label = 0; label < report.classes.size(); ++label) {
    std::string line =
        fmt::format("{:>2}  {:<{}}", label + 1, report.classes[label].class_name, std::max<size_t>(width, 6));
    for (const int64_t count : report.confusion[label]) {
      line += fmt::format(" {:>5}", count == 0 ? "." : fmt::to_string(count));
    }
    print("{}\n", line);
  }
}

void print_mistakes(const EvaluationReport& report, size_t errors) {
  const std::vector<Confusion> confusions = report.worst_confusions(5);
  if (!confusions.empty()) print("\nmost often confused\n");
  for (const Confusion& one : confusions) {
    print("{:>7} x {} taken for {}\n", one.images, name_of(report, one.label), name_of(report, one.predicted));
  }
  const std::vector<ImageOutcome> worst = report.confident_errors(errors);
  if (!worst.empty()) print("\nmost confident errors\n");
  for (const ImageOutcome& one : worst) {
    print("  {:.4f} {}: {} taken for {}\n", one.confidence, one.image, name_of(report, one.label),
          name_of(report, one.predicted));
  }
}

void print_calibration(const EvaluationReport& report) {
  print("\nreliability\n  {:<14} {:>7}  {:>10}  {:>8}\n", "confidence", "images", "mean conf.", "accuracy");
  for (const CalibrationBin& bin : report.calibration) {
    if (bin.images == 0) continue;
    print("  {:.4f}-{:.4f}  {:>7}  {:>10.4f}  {:>8.4f}\n", bin.lower, bin.upper, bin.images, bin.confidence,
          bin.accuracy);
  }
}

void print_report(const Options& options, const EvaluationReport& report) {
  print("evaluated: {}\n", report.evaluated);
  for (const std::string& skipped : report.skipped) print("skipped: {}\n", skipped);
  print_classes(report);
  print_confusion(report);
  print_mistakes(report, options.errors);
  print_calibration(report);
  print("\n{} images: loss {:.4f}, acc {:.4f}, {}calibration error {:.4f}; {:.1f} images/s\n", report.total.images,
        report.total.loss, report.total.top1,
        report.has_top5() ? fmt::format("top-5 {:.4f}, ", report.total.top5) : std::string(), report.calibration_error,
        static_cast<double>(report.total.images) / std::max(report.seconds, 1e-9));
}

// Images that the network was trained on say little about others.
void warn_of_training_images(const EvaluationReport& report) {
  if (report.trained_on == 0) return;
  std::string text = fmt::format("warning: {}{} of these {} images were trained on",
                                 report.knows_all ? "" : "at least ", report.trained_on, report.total.images);
  if (report.not_trained_on) {
    text += fmt::format("; the accuracy on the other {} is {:.4f}", report.not_trained_on->images,
                        report.not_trained_on->top1);
  } else {
    text += "; the accuracy on new images is likely lower";
  }
  print_error("convoy eval", text);
}

bool is_model(const std::filesystem::path& path) {
  return path.extension() == ".safetensors" || !model_in(path).empty();
}

// Tells the model from the data; returns the data, which may be empty.
std::string settle_paths(Options& options) {
  std::vector<std::string>& paths = options.paths;
  const bool names_model = paths.size() == 2 || (paths.size() == 1 && is_model(paths.front()));
  if (names_model) {
    if (!options.trained.checkpoint.empty()) {
      throw UsageError(fmt::format("--checkpoint: the model is already given as {}", paths.front()));
    }
    options.trained.checkpoint = paths.front();
    paths.erase(paths.begin());
  }
  return paths.empty() ? "" : paths.front();
}

EvaluationOptions evaluation_options(const Options& options) {
  EvaluationOptions chosen;
  if (options.on_bad_image == "strict") chosen.on_bad_image = OnBadImage::strict;
  if (options.on_bad_image == "skip") chosen.on_bad_image = OnBadImage::skip;
  if (options.part == "train") chosen.part = EvaluationPart::train;
  if (options.part == "val") chosen.part = EvaluationPart::val;
  if (options.part == "test") chosen.part = EvaluationPart::test;
  if (options.part == "all") chosen.part = EvaluationPart::all;
  return chosen;
}

int run(Options options) {
  const std::string data = settle_paths(options);
  const std::filesystem::path model = options.trained.model_file();
  Classifier classifier = options.trained.open(model);
  if (options.trained.checkpoint.empty() && !options.json) print("model: {}\n", model.string());
  Progress progress(stderr);
  const auto show = [&](const ValidationStepReport& at) {
    if (at.step == 1) {
      if (!options.output.empty()) create_folder(options.output);  // before the time that the other images take
      ProgressLoop loop;
      loop.name = "Eval";
      loop.steps = at.steps;
      loop.batch_size = options.trained.options.batch_size;
      progress.begin(loop);
    }
    const std::array<Metric, 2> metrics = {{{"loss", at.so_far.loss}, {"acc", at.so_far.top1}}};
    progress.update({at.step, at.seconds, at.reader_seconds, 0, metrics});
  };
  const EvaluationReport report = classifier.evaluate(data, evaluation_options(options), show);
  for (const std::string& warning : report.warnings) print_error("convoy eval", "warning: " + warning);
  if (!report.damaged.empty()) {
    print_error("convoy eval", "warning: " + describe_damaged(report.damaged));
  }
  if (!options.output.empty()) write_evaluation_charts(report, options.output);
  if (options.json) {
    print_json(to_json(options, model.string(), report));
  } else {
    print_report(options, report);
  }
  warn_of_training_images(report);
  return 0;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("DIR", options->paths,
                 "The model, if not --checkpoint's, then images as `convoy train` takes them [those that training held "
                 "back]")
      ->expected(0, 2)
      ->type_name("[MODEL] [DIR]");
  app.formatter(std::make_shared<HelpFormatter>());
  options->trained.declare(app);
  app.add_option("--split", options->part,
                 "Which of the images: what training held back or else the folder val/, train/ or test/, or all [val "
                 "where there is one, or all]")
      ->check(one_of("split", {"train", "val", "test", "all"}));
  app.add_option("--errors", options->errors,
                 fmt::format("Name that many of the most confident errors [{}]", options->errors))
      ->check(CLI::Range(0, 1000000))
      ->type_name("N");
  app.add_option("--output", options->output, "Write confusion_matrix and reliability there, as .png and .svg")
      ->type_name("DIR");
  app.add_option(
         "--on-bad-image", options->on_bad_image,
         "What to do about an image that cannot be read; strict: also about damage that leaves it readable [error]")
      ->check(one_of("choice", {"strict", "error", "skip"}));
  app.add_flag("--json", options->json, "Print one JSON object, with the confusion matrix");
  return [options] { return run(*options); };
}

}  // namespace

const Command kEval = {
    "eval",
    "Measure how well a trained classifier does, and show where it goes wrong",
    "  convoy eval runs/birds\n"
    "  convoy eval runs/birds/best.safetensors photos --split all --errors 20\n"
    "  convoy eval more-photos --checkpoint runs/birds --tta hflip-shift --json --output report\n"
    "Images that the network was trained on are recognised, wherever they are, and counted on standard error.",
    declare,
};

}  // namespace convoy::cli
