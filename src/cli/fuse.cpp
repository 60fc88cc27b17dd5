// `convoy fuse MODEL`: a trained network with every linear branch as one convolution.
#include "convoy/fuse.h"

#include <fmt/ranges.h>

#include <exception>
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
  std::string data;
  std::vector<std::string> images;
  FuseOptions fuse;
  bool json = false;
};

nlohmann::ordered_json to_json(const FuseReport::Form& form) {
  return {{"parameters", form.parameters},
          {"statistics", form.statistics},
          {"multiply_adds", form.multiply_adds},
          {"layers", form.layers},
          {"img_per_s", form.img_per_s}};
}

nlohmann::ordered_json to_json(const Options& options, const FuseReport& report) {
  return {{"model", options.model},
          {"output", options.output},
          {"convolutions", report.convolutions},
          {"rewrites", report.rewrites},
          {"images", report.images},
          {"real_images", report.real_images},
          {"largest_difference", report.largest_difference},
          {"largest_logit", report.largest_logit},
          {"relative_difference", report.relative_difference()},
          {"rounding", report.rounding},
          {"tolerance", report.tolerance},
          {"other_classes", report.other_classes},
          {"before", to_json(report.before)},
          {"after", to_json(report.after)}};
}

void print_report(const FuseReport& report) {
  std::vector<std::string> rules;
  for (const auto& [rule, count] : report.rewrites) rules.push_back(fmt::format("{} {}", rule, count));
  print_text(fmt::format("{} convolutions take in what is linear around them ({})\n\n", report.convolutions,
                         fmt::join(rules, ", ")));
  print("{:<14} {:>14} {:>14}\n", "", "before", "fused");
  const auto row = [](std::string_view what, const auto& before, const auto& after) {
    print("{:<14} {:>14} {:>14}\n", what, before, after);
  };
  const FuseReport::Form &before = report.before, &after = report.after;
  row("parameters", before.parameters, after.parameters);
  row("statistics", before.statistics, after.statistics);
  row("multiply-adds", before.multiply_adds, after.multiply_adds);
  row("layers", before.layers, after.layers);
  if (before.img_per_s > 0) {
    row("img/s", fmt::format("{:.1f}", before.img_per_s), fmt::format("{:.1f}", after.img_per_s));
  }
  print(
      "\nlargest difference of a logit on {} {}: {:.3g}, {:.2g} of the largest (tolerance {:.2g}); {} of another "
      "class\n",
      report.images,
      report.real_images ? "images" : "images of random pixels (--data or --images compares on real ones)",
      report.largest_difference, report.relative_difference(), report.tolerance, report.other_classes);
}

int run(Options& options) {
  options.fuse.data = options.data;
  options.fuse.images.assign(options.images.begin(), options.images.end());
  FuseReport report;
  std::exception_ptr fault;
  std::string error;
  try {
    fuse_model(named_model_file(options.model), options.fuse, options.output, &report);
  } catch (const Error& caught) {
    if (report.images == 0) throw;
    error = caught.what();
    fault = std::current_exception();
  }
  if (options.json) {
    nlohmann::ordered_json json = to_json(options, report);
    if (!error.empty()) json["error"] = error;
    print_json(json);
  } else {
    print_report(report);
  }
  if (fault) std::rethrow_exception(fault);
  if (!options.json) print("wrote {}\n", options.output);
  return 0;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->model, "A model file or a run folder")->required()->type_name("FILE");
  app.add_option("-o,--output", options->output, "The model file to write")->required()->type_name("FILE");
  auto* data =
      app.add_option("--data", options->data, "Compare on images as `convoy eval` takes them")->type_name("DIR");
  app.add_option("--images", options->images, "Compare on these images, and folders of them")
      ->type_name("FILE")
      ->excludes(data);
  app.add_option("--tolerance", options->fuse.tolerance,
                 "Largest difference, as a share of the largest logit [what the network's own rounding explains]")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("X");
  app.add_option("--most-images", options->fuse.most_images,
                 fmt::format("Images to compare on, at most [{}]", options->fuse.most_images))
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->type_name("N");
  app.add_option("-b,--batch-size", options->fuse.batch_size,
                 fmt::format("Images at once [{}]", options->fuse.batch_size))
      ->check(CLI::Range(1, 65536))
      ->type_name("N");
  add_threads(app);
  app.add_flag("!--no-speed", options->fuse.measure, "Measure no speed");
  app.add_flag("--json", options->json, "Print one JSON object");
  return [options] { return run(*options); };
}

}  // namespace

const Command kFuse = {
    "fuse",
    "Make one convolution of every norm, asymmetric block and parallel branch of a trained network",
    "  convoy fuse runs/birds/best.safetensors --data photos --output birds-fused.safetensors\n"
    "  convoy fuse acnet.safetensors --images photos/*.jpg --tolerance 1e-5 -o acnet-fused.safetensors",
    declare,
};

}  // namespace convoy::cli
