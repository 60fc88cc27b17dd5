// `convoy export MODEL -o FILE`: a model file's weights for other libraries, or its network as an ONNX model.
#include "convoy/export.h"

#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/trained.h"
#include "convoy/error.h"

namespace convoy::cli {
namespace {

struct Options {
  std::string model;
  std::string output;
  ExportOptions options;
  OnnxExportOptions onnx;
  bool json = false;
};

// Refuses flags that mean nothing for the file to be written.
void check_flags(const CLI::App& app, bool onnx) {
  const auto refuse = [&](const char* flag, const char* kind) {
    if (app.count(flag) > 0) throw UsageError(fmt::format("{}: is for files that end in {}", flag, kind));
  };
  for (const char* flag : {"--to", "--dtype"}) {
    if (onnx) refuse(flag, ".safetensors");
  }
  for (const char* flag : {"--opset", "--with-preprocessing", "--softmax"}) {
    if (!onnx) refuse(flag, ".onnx");
  }
}

int run_onnx(const Options& options) {
  export_onnx(options.model, options.onnx, options.output);
  if (options.json) {
    print_json({{"model", options.model}, {"output", options.output}, {"opset", options.onnx.opset}});
  } else {
    print("wrote {}, opset {}\n", options.output, options.onnx.opset);
  }
  return 0;
}

constexpr double kMuch = 0.05;

int run(const Options& options) {
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
  app.add_option("MODEL", options->model, "A model file or a run folder")->required()->type_name("FILE");
  app.add_option("-o,--output", options->output, "The file to write, *.safetensors or *.onnx")
      ->required()
      ->type_name("FILE");
  app.add_option("--to", options->options.to, "The library that the names are for [the network's own names]")
      ->check(one_of("library", {"torchvision", "timm", "hf", "paddle"}));
  app.add_option("--dtype", options->options.dtype, fmt::format("Type of the numbers [{}]", options->options.dtype))
      ->check(one_of("type", {"f32", "f16", "bf16"}));
  app.add_option("--opset", options->onnx.opset, "Version of ONNX's operators [17]")
      ->check(CLI::Range(17, 22))
      ->type_name("N");
  app.add_flag("--with-preprocessing", options->onnx.with_preprocessing,
               "The ONNX model takes bytes {batch, height, width, 3} of any size");
  app.add_flag("--softmax", options->onnx.softmax, "The ONNX model answers with probabilities");
  add_threads(app);
  app.add_flag("--json", options->json, "Print one JSON object");
  return [options, &app] {
    const std::string extension = std::filesystem::path(options->output).extension().string();
    if (extension != ".safetensors" && extension != ".onnx") {
      throw UsageError(
          fmt::format("--output: expected a file that ends in .safetensors or .onnx, got '{}'", options->output));
    }
    check_flags(app, extension == ".onnx");
    options->model = named_model_file(options->model).string();
    if (extension == ".safetensors") return run(*options);
    return run_onnx(*options);
  };
}

}  // namespace

const Command kExport = {
    "export",
    "Write a model file's network as an ONNX model, or its weights for torchvision, timm, transformers or PaddleClas",
    "  convoy export runs/birds --to timm -o birds-timm.safetensors\n"
    "  convoy export swin.safetensors --to hf --dtype bf16 -o model.safetensors\n"
    "  convoy export runs/birds --with-preprocessing --softmax -o birds.onnx",
    declare,
};

}  // namespace convoy::cli
