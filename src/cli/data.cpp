// `convoy data split|check|preview|stats`: preparing and examining the images of a dataset.
#include "convoy/data.h"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/recipe_flags.h"
#include "convoy/error.h"

namespace convoy::cli {
namespace {

constexpr const char* kDataHelp = "Images as `convoy train` takes them";

CLI::Option* add_data(CLI::App& app, std::string& data) {
  return app.add_option("DIR", data, kDataHelp)->required()->type_name("DIR");
}

std::string_view word_for(DataProblem::Severity severity) {
  switch (severity) {
    case DataProblem::Severity::note: return "note";
    case DataProblem::Severity::warning: return "warning";
    case DataProblem::Severity::error: return "error";
  }
  return "";
}

// What was left out or is doubtful, one line each.
void print_problems(const std::vector<DataProblem>& problems) {
  for (const DataProblem& problem : problems) print("{}: {}\n", word_for(problem.severity), problem.text);
}

nlohmann::ordered_json to_json(const std::vector<DataProblem>& problems) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const DataProblem& problem : problems) {
    json.push_back({{"severity", word_for(problem.severity)},
                    {"kind", problem.kind},
                    {"text", problem.text},
                    {"images", problem.images}});
  }
  return json;
}

void print_counts(const std::vector<ClassCount>& classes) {
  size_t width = 5;
  for (const ClassCount& count : classes) width = std::max(width, count.class_name.size());
  print("{:<{}}  {:>8}  {:>8}\n", "class", width, "training", "val");
  for (const auto& [name, train, val] : classes) print("{:<{}}  {:>8}  {:>8}\n", name, width, train, val);
}

nlohmann::ordered_json to_json(const std::vector<ClassCount>& classes) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const auto& [name, train, val] : classes) json.push_back({{"class", name}, {"train", train}, {"val", val}});
  return json;
}

std::function<int()> declare_split(CLI::App& app) {
  struct Options {
    std::string data, output;
    SplitOptions split;
  };
  auto options = std::make_shared<Options>();
  add_data(app, options->data);
  app.add_option("OUT", options->output, "New folder, which gets train/ and val/")->required()->type_name("DIR");
  CLI::Option* every =
      app.add_option("--every", options->split.every, "Images 0, N, 2N, ... of every class, by name, go to val")
          ->check(CLI::Range(2, 1'000'000'000))
          ->type_name("N");
  app.add_option("--fraction", options->split.fraction,
                 fmt::format("Share of every class that goes to val, drawn at random [{}]", options->split.fraction))
      ->excludes(every)
      ->type_name("X");
  app.add_option("--seed", options->split.seed, fmt::format("Of that draw [{}]", options->split.seed))
      ->excludes(every)
      ->type_name("N");
  app.add_flag("--link", options->split.link, "Link to the files instead of copying them");
  app.add_flag("--replace-spaces", options->split.replace_spaces, "Write '_' for spaces in the names of files");
  return [options] {
    const Interrupt interrupt;
    const SplitResult result = split_images(options->data, options->output, options->split, &interrupt.requested());
    if (result.classes.empty()) {
      print("stopped; nothing is left of {}\n", options->output);
      return kInterrupted;
    }
    print_problems(result.problems);
    print_counts(result.classes);
    int64_t train = 0, val = 0;
    for (const ClassCount& count : result.classes) {
      train += count.train;
      val += count.val;
    }
    print("{}: {} images to train and {} to validate\n", options->output, train, val);
    return 0;
  };
}

void print_check(const DataCheck& check, size_t listed) {
  for (const DataProblem& problem : check.problems) {
    print("{}: {}\n", word_for(problem.severity), problem.text);
    const bool named = problem.images.size() == 1 && problem.text.starts_with(problem.images.front());
    for (size_t i = 0; i < std::min(problem.images.size(), listed) && !named; ++i) print("    {}\n", problem.images[i]);
    if (problem.images.size() > listed) print("    and {} more; --all lists them\n", problem.images.size() - listed);
  }
  print("{} images in {} classes; errors: {}, warnings: {}, notes: {}\n", check.images, check.classes.size(),
        check.count(DataProblem::Severity::error), check.count(DataProblem::Severity::warning),
        check.count(DataProblem::Severity::note));
}

nlohmann::ordered_json to_json(const DataCheck& check) {
  nlohmann::ordered_json json = {{"images", check.images},
                                 {"errors", check.count(DataProblem::Severity::error)},
                                 {"warnings", check.count(DataProblem::Severity::warning)},
                                 {"notes", check.count(DataProblem::Severity::note)},
                                 {"classes", to_json(check.classes)},
                                 {"problems", to_json(check.problems)}};
  return json;
}

std::function<int()> declare_check(CLI::App& app) {
  struct Options {
    std::string data;
    bool json = false, all = false;
  };
  auto options = std::make_shared<Options>();
  add_data(app, options->data);
  app.add_flag("--all", options->all, "List all images of a finding, not the first five");
  app.add_flag("--json", options->json, "Print one JSON object");
  return [options] {
    const DataCheck check = check_images(options->data);
    constexpr size_t kListed = 5;
    if (options->json) {
      print_json(to_json(check));
    } else {
      print_check(check, options->all ? std::numeric_limits<size_t>::max() : kListed);
    }
    return check.count(DataProblem::Severity::error) > 0 ? 1 : 0;
  };
}

// What training sees.
constexpr std::string_view kPreviewFields[] = {"img-size", "seed", "Augmentation", "Preprocessing"};

std::function<int()> declare_preview(CLI::App& app) {
  struct Options {
    explicit Options(CLI::App& app) : recipe(app, kPreviewFields) {}

    std::string data, output;
    bool augmented = false, val = false;
    RecipeFlags recipe;
  };
  auto options = std::make_shared<Options>(app);
  add_data(app, options->data);
  app.add_option("-o,--output", options->output, "Picture to write: .png or .svg")->required()->type_name("FILE");
  app.add_flag("--augmented", options->augmented,
               "Show what training with these settings reads; a setting but --seed, or --recipe, implies it");
  app.add_flag("--val", options->val, "Show validation images");
  return [options] {
    const Recipe recipe = options->recipe.resolve();
    const std::vector<std::string_view> given = options->recipe.given();
    const bool any_given = std::ranges::any_of(given, [](std::string_view name) { return name != "seed"; });
    PreviewOptions preview;
    if (options->augmented || any_given) preview.augmented = recipe;
    preview.val = options->val;
    preview.seed = static_cast<uint64_t>(recipe.seed);
    for (const std::string& reason : draw_preview(options->data, options->output, preview)) {
      print("left out: {}\n", reason);
    }
    print("{}\n", options->output);
    return 0;
  };
}

void print_stats(const DataStats& stats) {
  print_problems(stats.problems);
  print_counts(stats.classes);
  print("\n{} training and {} validation images\n", stats.train_images, stats.val_images);
  const auto sides = [](std::string_view name, const std::array<int, 5>& side) {
    print("{:<7} {:>5} to {}, half of them {} to {}, median {}\n", name, side[0], side[4], side[1], side[3], side[2]);
  };
  sides("width", stats.widths);
  sides("height", stats.heights);
  for (const auto& [size, count] : stats.sizes)
    print("{:>11}  {:>8} images\n", fmt::format("{}x{}", size[0], size[1]), count);
  const auto list = [](const std::array<double, 3>& values) {
    return fmt::format("[{:.4f}, {:.4f}, {:.4f}]", values[0], values[1], values[2]);
  };
  print("\n# for a recipe\nmean = {}\nstd = {}\n", list(stats.mean), list(stats.std));
}

nlohmann::ordered_json to_json(const DataStats& stats) {
  nlohmann::ordered_json json = {{"mean", stats.mean},
                                 {"std", stats.std},
                                 {"train_images", stats.train_images},
                                 {"val_images", stats.val_images},
                                 {"classes", to_json(stats.classes)},
                                 {"width_quartiles", stats.widths},
                                 {"height_quartiles", stats.heights},
                                 {"problems", to_json(stats.problems)}};
  json["sizes"] = nlohmann::ordered_json::array();
  for (const auto& [size, count] : stats.sizes) {
    json["sizes"].push_back({{"width", size[0]}, {"height", size[1]}, {"images", count}});
  }
  return json;
}

std::function<int()> declare_stats(CLI::App& app) {
  struct Options {
    std::string data;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  add_data(app, options->data);
  app.add_flag("--json", options->json, "Print one JSON object");
  return [options] {
    const DataStats stats = measure_images(options->data);
    if (options->json) {
      print_json(to_json(stats));
    } else {
      print_stats(stats);
    }
    return 0;
  };
}

std::function<int()> declare(CLI::App& app) {
  auto chosen = std::make_shared<std::function<int()>>();
  const auto add = [&](const char* name, const char* description, std::function<int()> (*declare_it)(CLI::App&),
                       const char* example) {
    CLI::App* sub = app.add_subcommand(name, description);
    sub->footer(fmt::format("Examples:\n{}", example));
    sub->callback([chosen, run = declare_it(*sub)] { *chosen = run; });
  };
  add("split", "Divide a folder of images into train/ and val/", declare_split,
      "  convoy data split photos photos-split --every 5\n"
      "  convoy data split photos.tar photos-split --fraction 0.1 --seed 7");
  add("check", "Look for damaged images, duplicates and the like", declare_check,
      "  convoy data check photos\n"
      "  convoy data check photos.tar --json");
  add("preview", "Draw a grid of images, also as training sees them", declare_preview,
      "  convoy data preview photos --output preview.png\n"
      "  convoy data preview photos --output augmented.png --recipe runs/birds/recipe.toml");
  add("stats", "Mean and deviation of the colours, sizes, images of every class", declare_stats,
      "  convoy data stats photos");
  app.require_subcommand(1);
  return [chosen] { return (*chosen)(); };
}

}  // namespace

const Command kData = {
    "data",
    "Divide, check, draw and measure images",
    "  convoy data split photos photos-split --every 5\n"
    "  convoy data check photos.tar --json\n"
    "  convoy data preview photos --output preview.png --aa rand-m9-mstd0.5-inc1\n"
    "  convoy data stats photos",
    declare,
};

}  // namespace convoy::cli
