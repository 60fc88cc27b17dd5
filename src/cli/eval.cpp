// `convoy eval DIR`: the accuracy of a trained classifier, in all and per class.
#include <algorithm>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/trained.h"
#include "report/progress.h"

namespace convoy::cli {
namespace {

struct Options {
  TrainedFlags trained;
  std::string data;
  std::string on_bad_image = "error";
  bool json = false;
};

nlohmann::ordered_json to_json(const Options& options, const EvaluationReport& report) {
  nlohmann::ordered_json json = {{"checkpoint", options.trained.model_file().string()},
                                 {"data", options.data},
                                 {"images", report.total.images},
                                 {"loss", report.total.loss},
                                 {"top1", report.total.top1},
                                 {"top5", report.total.top5},
                                 {"seconds", report.seconds}};
  json["classes"] = nlohmann::ordered_json::array();
  for (const ClassReport& row : report.classes) {
    json["classes"].push_back(
        {{"class", row.class_name}, {"images", row.images}, {"recall", row.recall()}, {"precision", row.precision()}});
  }
  json["confusion"] = report.confusion;
  json["skipped"] = report.skipped;
  return json;
}

struct Mistake {
  size_t label = 0;
  size_t taken_for = 0;
  int64_t count = 0;
};

// The commonest confusions of two classes.
std::vector<Mistake> worst_mistakes(const EvaluationReport& report, size_t most) {
  std::vector<Mistake> mistakes;
  for (size_t label = 0; label < report.confusion.size(); ++label) {
    for (size_t other = 0; other < report.confusion[label].size(); ++other) {
      const int64_t count = report.confusion[label][other];
      if (other != label && count > 0) mistakes.push_back({label, other, count});
    }
  }
  std::ranges::stable_sort(mistakes, std::ranges::greater{}, &Mistake::count);
  if (mistakes.size() > most) mistakes.resize(most);
  return mistakes;
}

void print_report(const EvaluationReport& report) {
  for (const std::string& skipped : report.skipped) print("skipped: {}\n", skipped);
  size_t width = 5;
  for (const ClassReport& row : report.classes) width = std::max(width, row.class_name.size());
  print("{:<{}}  {:>7}  {:>7}  {:>9}\n", "class", width, "images", "recall", "precision");
  for (const ClassReport& row : report.classes) {
    print("{:<{}}  {:>7}  {:>7.4f}  {:>9.4f}\n", row.class_name, width, row.images, row.recall(), row.precision());
  }
  const std::vector<Mistake> mistakes = worst_mistakes(report, 5);
  if (!mistakes.empty()) print("\nmost often confused:\n");
  for (const Mistake& mistake : mistakes) {
    print("  {:>5} x {} taken for {}\n", mistake.count, report.classes[mistake.label].class_name,
          report.classes[mistake.taken_for].class_name);
  }
  print("\n{} images: loss {:.4f}, acc {:.4f}, top-5 {:.4f}; {:.1f} images/s\n", report.total.images, report.total.loss,
        report.total.top1, report.total.top5,
        static_cast<double>(report.total.images) / std::max(report.seconds, 1e-9));
}

int run(const Options& options) {
  Classifier classifier = options.trained.open();
  Progress progress(stderr);
  const auto show = [&](const ValidationReport& at) {
    if (at.step == 1) {
      ProgressLoop loop;
      loop.name = "Eval";
      loop.steps = at.steps;
      loop.batch_size = options.trained.options.batch_size;
      progress.begin(loop);
    }
    const std::array<Metric, 2> metrics = {{{"loss", at.so_far.loss}, {"acc", at.so_far.top1}}};
    progress.update({at.step, at.seconds, at.reader_seconds, 0, metrics});
  };
  const EvaluationReport report = classifier.evaluate(options.data, options.on_bad_image == "skip", show);
  if (options.json) {
    print_json(to_json(options, report));
  } else {
    print_report(report);
  }
  return 0;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("DIR", options->data, "Images as `convoy train` takes them; their validation part where they have one")
      ->required()
      ->type_name("DIR");
  options->trained.declare(app);
  app.add_option("--on-bad-image", options->on_bad_image, "What to do about an image that cannot be read [error]")
      ->check(one_of("choice", {"error", "skip"}));
  app.add_flag("--json", options->json, "Print one JSON object, with the confusion matrix");
  return [options] { return run(*options); };
}

}  // namespace

const Command kEval = {
    "eval",
    "Measure the accuracy of a trained classifier",
    "  convoy eval photos\n"
    "  convoy eval photos --checkpoint runs/birds --json",
    declare,
};

}  // namespace convoy::cli
