// `convoy export MODEL -o FILE`: the weights of a model file for other libraries.
#include "convoy/export.h"

#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "convoy/error.h"

namespace convoy::cli {
namespace {

struct Options {
  std::string model;
  std::string output;
  ExportOptions options;
  bool json = false;
};

constexpr double kMuch = 0.05;

int run(const Options& options) {
  if (std::filesystem::path(options.output).extension() != ".safetensors") {
    throw UsageError(fmt::format("--output: expected a file that ends in .safetensors, got '{}'", options.output));
  }
  ExportReport report;
  export_model(options.model, options.options, options.output, &report);
  if (options.json) {
    print_json({{"model", options.model},
                {"output", options.output},
                {"to", options.options.to},
                {"network", report.network},
                {"dtype", options.options.dtype},
                {"tensors", report.tensors},
                {"integers", report.integers},
                {"images", report.images},
                {"largest_difference", report.largest_difference},
                {"largest_logit", report.largest_logit},
                {"relative_difference", report.relative_difference()}});
    return 0;
  }
  print("{} tensors{}, {} of integers; read back, the logits differ by {:.2g} of the largest on {} images\n",
        report.tensors, report.network.empty() ? "" : fmt::format(" of {}'s {}", options.options.to, report.network),
        report.integers, report.relative_difference(), report.images);
  print("wrote {}\n", options.output);
  if (report.relative_difference() > kMuch) {
    print_error("convoy export", fmt::format("warning: rounding to {} moves the logits by {:.2g} of the largest",
                                             options.options.dtype, report.relative_difference()));
  }
  return 0;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->model, "A model file")->required()->type_name("FILE");
  app.add_option("-o,--output", options->output, "The file to write, *.safetensors")->required()->type_name("FILE");
  app.add_option("--to", options->options.to, "The library that the names are for [the network's own names]")
      ->check(one_of("library", {"torchvision", "timm", "hf", "paddle"}));
  app.add_option("--dtype", options->options.dtype, fmt::format("Type of the numbers [{}]", options->options.dtype))
      ->check(one_of("type", {"f32", "f16", "bf16"}));
  add_threads(app);
  app.add_flag("--json", options->json, "Print one JSON object");
  return [options] { return run(*options); };
}

}  // namespace

const Command kExport = {
    "export",
    "Write the weights of a model file for torchvision, timm, transformers or PaddleClas",
    "  convoy export runs/birds/best.safetensors --to timm -o birds-timm.safetensors\n"
    "  convoy export swin.safetensors --to hf --dtype bf16 -o model.safetensors",
    declare,
};

}  // namespace convoy::cli
