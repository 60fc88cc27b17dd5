// `convoy verify FILE`: does a training step here give what PyTorch's gave?
#include "train/verify.h"

#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"

namespace convoy::cli {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string backend = "cpu";
  bool json = false;
};

nlohmann::ordered_json to_json(const std::string& file, const VerifyReport& report) {
  nlohmann::ordered_json json = {{"file", file}, {"model", report.model}, {"passed", report.passed()}};
  json["errors"] = nlohmann::ordered_json::array();
  for (const VerifyLine& line : report.lines) {
    json["errors"].push_back({{"kind", line.kind},
                              {"tensor", line.tensor},
                              {"error", line.error},
                              {"tolerance", line.tolerance},
                              {"judged", line.judged()},
                              {"passed", line.passed()}});
  }
  return json;
}

void print_report(const std::string& file, const VerifyReport& report) {
  print("{}: {}\n", file, report.model);
  for (const VerifyLine& line : report.lines) {
    print("  {:<14} {:>9.2e} of {:>8.2e}  {}  {}\n", line.kind, line.error, line.tolerance,
          !line.passed()  ? "FAILED"
          : line.judged() ? "ok    "
                          : "chaos ",
          line.tensor);
  }
}

int run(const Options& options) {
  const Backend& backend = find_backend(options.backend);
  bool passed = true;
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const std::string& file : options.files) {
    const VerifyReport report = verify_golden(file, backend);
    passed = passed && report.passed();
    if (options.json) {
      json.push_back(to_json(file, report));
    } else {
      print_report(file, report);
    }
  }
  if (options.json) print_json(options.files.size() == 1 ? json.front() : json);
  return passed ? 0 : 1;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("FILE", options->files, "Golden files, as tools/make_goldens.py makes them")
      ->required()
      ->type_name("FILE");
  app.add_option("--backend", options->backend, "What runs the step: cpu, or reference, in plain double precision")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_flag("--json", options->json, "Print one JSON object, or an array for several files");
  return [options] { return run(*options); };
}

}  // namespace

const Command kVerify = {
    "verify",
    "Compare a training step with PyTorch's, recorded in a file",
    "  convoy verify tests/golden/resnet50.safetensors\n"
    "  convoy verify tests/golden/*.safetensors --json\n"
    "Shows the worst relative error of every kind of tensor, and the tensor; exits 1 when one is above its tolerance.\n"
    "'chaos' is no verdict: rounding alone changes that tensor by its own size.",
    declare,
};

}  // namespace convoy::cli
