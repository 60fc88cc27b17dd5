// `convoy quantize MODEL`: a trained network in int8, with what that costs.
#include "convoy/quantize.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/trained.h"
#include "convoy/error.h"

namespace convoy::cli {
namespace {

struct Options {
  std::string model;
  std::string output;
  std::string data;
  std::string ranges = "percentile";
  QuantizeOptions quantize;
  bool json = false;
};

nlohmann::ordered_json finite(double ratio) {
  return std::isfinite(ratio) ? nlohmann::ordered_json(ratio) : nlohmann::ordered_json();
}

nlohmann::ordered_json to_json(const Options& options, const QuantizeReport& report) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const QuantizeReport::Layer& layer : report.layers) {
    layers.push_back({{"layer", layer.name},
                      {"kind", layer.kind},
                      {"precision", layer.int8 ? "int8" : "float32"},
                      {"multiply_adds", layer.multiply_adds},
                      {"low", layer.low},
                      {"high", layer.high},
                      {"weight_sqnr", finite(layer.weight_sqnr)},
                      {"output_sqnr", finite(layer.output_sqnr)},
                      {"logits_sqnr", layer.logits_sqnr ? finite(*layer.logits_sqnr) : nlohmann::ordered_json()},
                      {"reason", layer.reason}});
  }
  return {{"model", options.model},
          {"output", options.output},
          {"ranges", options.ranges},
          {"calibrated_on", report.calibrated_on},
          {"calibration_images", report.calibration_images},
          {"measured_on", report.measured_on},
          {"measured_images", report.measured_images},
          {"equalized", report.equalized},
          {"top1_before", report.top1_before},
          {"top1_after", report.top1_after},
          {"max_drop", options.quantize.max_drop},
          {"int8_layers", report.int8_layers()},
          {"bytes_before", report.bytes_before},
          {"bytes_after", report.bytes_after},
          {"layers", std::move(layers)}};
}

std::string decibels(double ratio) { return std::isfinite(ratio) ? fmt::format("{:.1f}", ratio) : "exact"; }

// The layers that stay float32, and those whose outputs are worst.
void print_layers(const QuantizeReport& report) {
  constexpr size_t kMost = 10;
  std::vector<const QuantizeReport::Layer*> order;
  for (const QuantizeReport::Layer& layer : report.layers) order.push_back(&layer);
  std::ranges::stable_sort(order, {}, [](const auto* layer) { return std::pair(layer->int8, layer->output_sqnr); });
  const auto floats = static_cast<size_t>(std::ranges::count(order, false, &QuantizeReport::Layer::int8));
  order.resize(std::min(order.size(), std::max(kMost, floats)));
  Table table{.header = {"layer", "kind", "precision", "range", "weights dB", "output dB", "alone dB"},
              .rows = {},
              .left_columns = 3};
  for (const QuantizeReport::Layer* layer : order) {
    table.rows.push_back({printable(layer->name), layer->kind, layer->int8 ? "int8" : "float32",
                          fmt::format("{:.3g} to {:.3g}", layer->low, layer->high), decibels(layer->weight_sqnr),
                          decibels(layer->output_sqnr), layer->logits_sqnr ? decibels(*layer->logits_sqnr) : ""});
  }
  print_text(to_text(table));
  if (order.size() < report.layers.size()) {
    print("and {} layers with smaller errors\n", report.layers.size() - order.size());
  }
}

void print_report(const QuantizeReport& report) {
  print("calibrated on {} of {}; {} pairs of layers equalised\n", report.calibration_images, report.calibrated_on,
        report.equalized);
  print("measured on {} of {}\n\n", report.measured_images, report.measured_on);
  print_layers(report);
  const auto layers = static_cast<int64_t>(report.layers.size());
  print("\n{} layers in int8, {} in float32\n", report.int8_layers(), layers - report.int8_layers());
  print("top-1 {:.4f} in float32, {:.4f} in int8: {:+.2f} points\n", report.top1_before, report.top1_after,
        -report.drop());
}

int run(Options& options) {
  options.quantize.data = options.data;
  if (options.ranges == "minmax") options.quantize.ranges = RangeMethod::minmax;
  if (options.ranges == "kl") options.quantize.ranges = RangeMethod::kl;
  QuantizeReport report;
  std::exception_ptr fault;
  std::string error;
  const auto tell = [&](std::string_view stage) {
    if (!options.json) print_error("convoy quantize", stage);
  };
  const std::filesystem::path model = named_model_file(options.model);
  try {
    quantize_model(model, options.quantize, options.output, &report, tell);
  } catch (const NumericError& caught) {
    if (report.layers.empty()) throw;
    error = caught.what();
    fault = std::current_exception();
  }
  for (const std::string& warning : report.warnings) print_error("convoy quantize", "warning: " + warning);
  if (options.json) {
    nlohmann::ordered_json json = to_json(options, report);
    if (!error.empty()) json["error"] = error;
    print_json(json);
  } else {
    print_report(report);
  }
  if (fault) std::rethrow_exception(fault);
  const std::string table = options.output + ".csv";
  write_quantize_csv(report, table);
  if (!options.json) {
    constexpr double kMebibyte = 1 << 20;
    print("wrote {}, {:.1f} MiB in place of {:.1f} MiB, and its layers to {}\n", options.output,
          static_cast<double>(report.bytes_after) / kMebibyte, static_cast<double>(report.bytes_before) / kMebibyte,
          table);
  }
  return 0;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  QuantizeOptions& quantize = options->quantize;
  app.add_option("MODEL", options->model, "A model file or a run folder")->required()->type_name("FILE");
  app.add_option("-o,--output", options->output, "The model file to write; its layers go to FILE.csv")
      ->required()
      ->type_name("FILE");
  app.add_option("--data", options->data,
                 "Images as `convoy train` takes them: calibrate on the training part, measure top-1 on the validation "
                 "part [what the network was trained on]")
      ->type_name("DIR");
  app.add_option(
         "--max-drop", quantize.max_drop,
         fmt::format("Points of top-1 that int8 may cost; layers stay float32 until it is met [{}]", quantize.max_drop))
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("X");
  app.add_option("--calibration", options->ranges,
                 fmt::format("What of a map's values int8 covers: all, all but the rarest, or by Kullback-Leibler "
                             "divergence [{}]",
                             options->ranges))
      ->check(one_of("calibration", {"minmax", "percentile", "kl"}));
  app.add_option("--calibration-images", quantize.calibration_images,
                 fmt::format("Images to calibrate on, at most [{}]", quantize.calibration_images))
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->type_name("N");
  app.add_option("--limit", quantize.limit, "Images to measure top-1 on, at most [all]")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->type_name("N");
  app.add_flag("!--no-equalization", quantize.equalize, "Leave the channels of maps as they are");
  app.add_flag("!--no-bias-correction", quantize.correct_bias, "Leave the mean errors of channels as they are");
  app.add_option("--seed", quantize.seed,
                 fmt::format("Draws the images, and divides data that has no parts [{}]", quantize.seed))
      ->type_name("N");
  add_threads(app);
  app.add_flag("--json", options->json, "Print one JSON object, with all layers");
  return [options] { return run(*options); };
}

}  // namespace

const Command kQuantize = {
    "quantize",
    "Make an int8 network of a trained one, unless that costs too much accuracy",
    "  convoy quantize runs/birds -o birds-int8.safetensors\n"
    "  convoy quantize mobilenet.safetensors --data photos --max-drop 1 -o mobilenet-int8.safetensors",
    declare,
};

}  // namespace convoy::cli
