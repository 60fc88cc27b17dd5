// `convoy verify A B`: are two networks the same? `convoy verify FILE`: does a training step here give what PyTorch's
// gave?
#include "train/verify.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/trained.h"
#include "convoy/agreement.h"
#include "convoy/error.h"
#include "core/terminal.h"
#include "formats/golden.h"
#include "inference/onnx_file.h"

namespace convoy::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::vector<std::string> files;
  std::string backend = "cpu";
  std::string data;
  Precision precision = Precision::fp32;
  int64_t limit = AgreementOptions().most_images;
  bool all_layers = false;
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

int verify_steps(const Options& options) {
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

nlohmann::ordered_json to_json(const LayerAgreement& layer) {
  return {{"a", layer.a},
          {"b", layer.b},
          {"error", layer.error},
          {"tolerance", layer.tolerance},
          {"agrees", layer.agrees()}};
}

nlohmann::ordered_json to_json(const Options& options, const AgreementReport& report) {
  const LayerAgreement* departure = report.first_departure();
  nlohmann::ordered_json json = {{"a", options.files[0]},
                                 {"b", options.files[1]},
                                 {"passed", departure == nullptr},
                                 {"first_departure", nullptr},
                                 {"precision_b", to_string(settled(options.precision))},
                                 {"images", report.images},
                                 {"evaluated", nullptr},
                                 {"same_class", report.same_class},
                                 {"top1_a", nullptr},
                                 {"top1_b", nullptr},
                                 {"logits", to_json(report.logits)},
                                 {"layers", nlohmann::ordered_json::array()},
                                 {"by_order", report.by_order},
                                 {"only_in_a", report.only_in_a},
                                 {"only_in_b", report.only_in_b}};
  if (departure != nullptr) json["first_departure"] = departure->a;
  if (!report.evaluated.empty()) json["evaluated"] = report.evaluated;
  if (report.top1_a) json["top1_a"] = *report.top1_a;
  if (report.top1_b) json["top1_b"] = *report.top1_b;
  for (const LayerAgreement& layer : report.layers) json["layers"].push_back(to_json(layer));
  return json;
}

// Those to show, in their order: all, or the worst few and the first that departs.
std::vector<LayerAgreement> shown_layers(const AgreementReport& report, bool all) {
  constexpr size_t kFew = 5;
  if (all || report.layers.size() <= kFew) return report.layers;
  std::vector<double> errors;
  for (const LayerAgreement& layer : report.layers) errors.push_back(layer.error);
  std::ranges::nth_element(errors, errors.begin() + (kFew - 1), std::greater());
  std::vector<LayerAgreement> shown;
  size_t room = kFew;
  for (const LayerAgreement& layer : report.layers) {
    const bool is_worst = layer.error >= errors[kFew - 1] && room > 0;
    if (is_worst) --room;
    if (is_worst || &layer == report.first_departure()) shown.push_back(layer);
  }
  return shown;
}

Table table_of(const AgreementReport& report, bool all) {
  std::vector<LayerAgreement> rows = shown_layers(report, all);
  rows.push_back(report.logits);
  const bool same_names = std::ranges::all_of(rows, [](const LayerAgreement& row) { return row.a == row.b; });
  Table table{.header = {"layer"}, .rows = {}, .left_columns = same_names ? size_t{1} : size_t{2}};
  if (!same_names) table.header.emplace_back("in the other");
  for (const char* title : {"error", "tolerance", ""}) table.header.emplace_back(title);
  for (const LayerAgreement& row : rows) {
    std::vector<std::string>& cells = table.rows.emplace_back();
    cells.push_back(printable(row.a));
    if (!same_names) cells.push_back(printable(row.b));
    cells.push_back(fmt::format("{:.2e}", row.error));
    cells.push_back(fmt::format("{:.2e}", row.tolerance));
    cells.emplace_back(row.agrees() ? "ok" : "DEPARTS");
  }
  return table;
}

void print_unmatched(const std::string& file, const std::vector<std::string>& layers, bool all) {
  if (layers.empty()) return;
  constexpr size_t kFew = 3;
  const size_t count = all ? layers.size() : std::min(kFew, layers.size());
  const std::vector<std::string> shown(layers.begin(), layers.begin() + static_cast<std::ptrdiff_t>(count));
  print("not compared, since they have no counterpart: {} of {}: {}{}\n", layers.size(), file,
        fmt::format("{}", fmt::join(shown, ", ")), count < layers.size() ? ", ..." : "");
}

void print_report(const Options& options, const AgreementReport& report) {
  const std::string &a = options.files[0], &b = options.files[1];
  print("{} layers of {} and {} correspond, {} by name and {} by order and shape\n", report.layers.size(), a, b,
        std::ssize(report.layers) - report.by_order, report.by_order);
  print_unmatched(a, report.only_in_a, options.all_layers);
  print_unmatched(b, report.only_in_b, options.all_layers);
  print_text("\n" + to_text(table_of(report, options.all_layers), terminal_width(stdout)) + "\n");
  if (settled(options.precision) != Precision::fp32) {
    print("{} ran with maps of {}\n", b, to_string(settled(options.precision)));
  }
  print("compared on {}\n",
        report.evaluated.empty()
            ? fmt::format("{} images of random pixels (--data compares on real ones)", report.images)
            : fmt::format("{} of {}", report.images, report.evaluated));
  print("top-1: the same class for {} ({:.2f} %)\n", report.same_class,
        100 * static_cast<double>(report.same_class) / static_cast<double>(report.images));
  if (report.top1_a) {
    print("top-1: {} is right for {:.2f} %, {} for {:.2f} %\n", a, 100 * *report.top1_a, b, 100 * *report.top1_b);
  }
  if (const LayerAgreement* departure = report.first_departure()) {
    print("NOT THE SAME: {} departs first, by {:.2e} of its largest magnitude\n", departure->a, departure->error);
  } else {
    print_text("the same, within the rounding of their precision\n");
  }
}

int verify_networks(const Options& options) {
  const auto file_of = [](const std::string& name) {
    return is_onnx_file(name) ? fs::path(name) : named_model_file(name);
  };
  const AgreementReport report =
      measure_agreement(file_of(options.files[0]), file_of(options.files[1]),
                        {.data = options.data, .most_images = options.limit, .precision = options.precision});
  for (const std::string& warning : report.warnings) print_error("convoy verify", "warning: " + warning);
  if (options.json) {
    print_json(to_json(options, report));
  } else {
    print_report(options, report);
  }
  return report.first_departure() == nullptr ? 0 : 1;
}

bool is_golden_file(const std::string& file) {
  return !is_onnx_file(file) && !fs::is_directory(file) && is_golden(file);
}

// Whether the files are golden ones. Throws UsageError for what is neither that nor two networks.
bool are_golden(const std::vector<std::string>& files) {
  const auto golden = static_cast<size_t>(std::ranges::count_if(files, is_golden_file));
  if (golden == files.size()) return true;
  if (files.size() == 1) {
    throw UsageError(fmt::format("{}: expected a golden file, or a second network to compare this one with", files[0]));
  }
  if (golden > 0 || files.size() != 2) {
    throw UsageError(fmt::format("expected two networks, or golden files alone, got {} files, {} of them golden",
                                 files.size(), golden));
  }
  return false;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("FILE", options->files,
                 "Two networks, each a model file, a run folder or an ONNX model; or golden files, as "
                 "tools/make_goldens.py makes them")
      ->required()
      ->type_name("FILE");
  app.add_option("--data", options->data, "Compare networks on images as `convoy eval` takes them [random pixels]")
      ->type_name("DIR");
  app.add_option("--limit", options->limit, "Images to compare networks on, at most")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--layers", options->all_layers,
               "Show all layers of networks, not only the worst and the first to depart");
  add_precision(app, options->precision);
  app.add_option("--backend", options->backend,
                 "What runs the step of golden files: cpu, or reference, in plain double precision")
      ->type_name("NAME")
      ->capture_default_str();
  add_threads(app);
  app.add_flag("--json", options->json, "Print one JSON object, or an array for several golden files");
  return [options, &app] {
    const bool golden = are_golden(options->files);
    for (const char* flag : {"--data", "--limit", "--layers", "--precision", "--backend"}) {
      const bool is_of_steps = std::string_view(flag) == "--backend";
      if (app.count(flag) > 0 && is_of_steps != golden) {
        throw UsageError(fmt::format("{}: is of {}; leave it out", flag, is_of_steps ? "golden files" : "networks"));
      }
    }
    return golden ? verify_steps(*options) : verify_networks(*options);
  };
}

}  // namespace

const Command kVerify = {
    "verify",
    "Compare two networks, layer by layer, or a training step with PyTorch's, recorded in a file",
    "  convoy verify runs/birds birds-fused.safetensors --data photos\n"
    "  convoy verify runs/birds birds.onnx --layers\n"
    "  convoy verify runs/birds runs/birds --precision bf16 --data photos\n"
    "  convoy verify tests/golden/resnet50.safetensors\n"
    "  convoy verify tests/golden/*.safetensors --json\n"
    "Networks run as their files have them, on the same images, the second with maps of --precision. A layer's error "
    "is\n"
    "its largest difference, as a share of its largest magnitude in the first network. Of a step, the worst relative "
    "error\n"
    "of every kind of tensor is shown, and the tensor; 'chaos' is no verdict: rounding alone changes that tensor by "
    "its "
    "own\n"
    "size. Exits 1 when an error is above its tolerance.",
    declare,
};

}  // namespace convoy::cli
