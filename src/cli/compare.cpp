// `convoy compare RUN...`: training runs beside each other, as a table and as curves.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/table.h"
#include "convoy/comparison.h"
#include "core/terminal.h"
#include "formats/csv_table.h"
#include "report/run_charts.h"

namespace convoy::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::vector<std::string> runs;
  std::string output;
  bool json = false;
  bool markdown = false;
  bool csv = false;
};

std::string name_of(const RunSummary& run) { return run.folder.filename().string(); }

bool has_top5(const RunSummary& run) { return run.class_names.size() > 5; }

Interval interval_of(const RunSummary& run) {
  return wilson_interval(std::llround(run.best()->val_top1 * static_cast<double>(run.val_images)), run.val_images);
}

// Of the runs that compare with the first, that of the greatest accuracy, the first of equal ones; null where none was
// validated.
const RunSummary* best_of(const std::vector<RunSummary>& runs) {
  const RunSummary* best = nullptr;
  for (const RunSummary& run : runs) {
    if (run.best() == nullptr || !incomparable(runs.front(), run).empty()) continue;
    if (best == nullptr || run.best()->val_top1 > best->best()->val_top1) best = &run;
  }
  return best;
}

std::string_view to_string(Significance::Test test) {
  return test == Significance::Test::mcnemar ? "McNemar" : "two-proportion";
}

// One run; the same keys for all runs, so that they are a CSV's columns.
ordered_json to_json(const RunSummary& run) {
  ordered_json json = {{"run", name_of(run)},
                       {"folder", run.folder.string()},
                       {"model", run.model},
                       {"version", run.version},
                       {"img_size", run.image_size},
                       {"batch_size", run.batch_size},
                       {"classes", run.class_names.size()},
                       {"train_images", run.train_images},
                       {"val_images", run.val_images},
                       {"top1", nullptr},
                       {"top1_low", nullptr},
                       {"top1_high", nullptr},
                       {"top5", nullptr},
                       {"val_loss", nullptr},
                       {"best_epoch", nullptr},
                       {"epochs_done", run.epochs.size()},
                       {"epochs", run.epochs_planned},
                       {"finished", run.finished},
                       {"parameters", run.parameters},
                       {"multiply_adds", run.multiply_adds},
                       {"train_images_per_second", run.train_images_per_second()},
                       {"val_images_per_second", run.val_images_per_second()},
                       {"wall_seconds", run.cost.wall_seconds},
                       {"cpu_seconds", run.cost.cpu_seconds},
                       {"planned_bytes", run.planned_bytes},
                       {"peak_bytes", run.cost.peak_bytes}};
  if (const RunEpoch* best = run.best()) {
    json["top1"] = best->val_top1;
    json["top1_low"] = interval_of(run).low;
    json["top1_high"] = interval_of(run).high;
    if (has_top5(run)) json["top5"] = best->val_top5;
    json["val_loss"] = best->val_loss;
    json["best_epoch"] = best->epoch;
  }
  return json;
}

Table table_of(const std::vector<RunSummary>& runs) {
  Table table{.header = {"run", "network", "top-1", "95 % interval"}, .rows = {}, .left_columns = 2};
  const bool top5 = std::ranges::any_of(runs, has_top5);
  if (top5) table.header.emplace_back("top-5");
  for (const char* title : {"parameters", "multiply-adds", "train img/s", "val img/s", "wall", "CPU", "MiB planned",
                            "MiB peak", "epochs"}) {
    table.header.emplace_back(title);
  }
  const RunSummary* winner = best_of(runs);
  for (const RunSummary& run : runs) {
    const RunEpoch* best = run.best();
    const auto speed = [](double rate) { return rate > 0 ? fmt::format("{:.4g}", rate) : "-"; };
    std::vector<std::string> row = {name_of(run) + (&run == winner ? " *" : ""), run.model, "-", "-"};
    if (top5) row.emplace_back("-");
    if (best != nullptr) {
      row[2] = fmt::format("{:.4f}", best->val_top1);
      row[3] = fmt::format("{:.4f}-{:.4f}", interval_of(run).low, interval_of(run).high);
      if (has_top5(run)) row[4] = fmt::format("{:.4f}", best->val_top5);
    }
    for (std::string cell :
         {short_count(run.parameters), short_count(run.multiply_adds), speed(run.train_images_per_second()),
          speed(run.val_images_per_second()), short_time(run.cost.wall_seconds), short_time(run.cost.cpu_seconds),
          fmt::to_string(run.planned_bytes >> 20), fmt::to_string(run.cost.peak_bytes >> 20),
          fmt::format("{}/{}", run.epochs.size(), run.epochs_planned)}) {
      row.push_back(std::move(cell));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

// How the best run stands to each of the others.
struct Verdict {
  const RunSummary* other = nullptr;
  double difference = 0;
  Significance significance;
};

std::vector<Verdict> verdicts_of(const std::vector<RunSummary>& runs) {
  std::vector<Verdict> verdicts;
  const RunSummary* winner = best_of(runs);
  for (const RunSummary& run : runs) {
    if (winner == nullptr || &run == winner) continue;
    if (const auto significance = compare_accuracy(*winner, run)) {
      verdicts.push_back({&run, winner->best()->val_top1 - run.best()->val_top1, *significance});
    }
  }
  return verdicts;
}

// What keeps the figures of some runs from being compared.
std::vector<std::string> notes_on(const std::vector<RunSummary>& runs) {
  std::vector<std::string> notes;
  for (const RunSummary& run : runs) {
    const std::string reason = incomparable(runs.front(), run);
    if (!reason.empty()) notes.push_back(reason + ": their accuracies do not compare");
    if (!run.finished) {
      notes.push_back(fmt::format("{} has done {} of {} epochs", name_of(run), run.epochs.size(), run.epochs_planned));
    }
  }
  return notes;
}

void print_as_json(const std::vector<RunSummary>& runs) {
  ordered_json json = {{"runs", ordered_json::array()}};
  for (const RunSummary& run : runs) json["runs"].push_back(to_json(run));
  const RunSummary* winner = best_of(runs);
  json["best"] = nullptr;
  if (winner != nullptr) json["best"] = name_of(*winner);
  json["differences"] = ordered_json::array();
  for (const Verdict& verdict : verdicts_of(runs)) {
    json["differences"].push_back({{"run", name_of(*verdict.other)},
                                   {"top1", verdict.difference},
                                   {"test", to_string(verdict.significance.test)},
                                   {"p", verdict.significance.p},
                                   {"significant", verdict.significance.significant()}});
  }
  json["notes"] = notes_on(runs);
  print_json(json);
}

void print_as_csv(const std::vector<RunSummary>& runs) {
  for (const RunSummary& run : runs) {
    std::vector<std::string> names, cells;
    const ordered_json json = to_json(run);
    for (const auto& [key, value] : json.items()) {
      names.push_back(key);
      cells.push_back(value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump());
    }
    if (&run == &runs.front()) print_text(csv_row(names));
    print_text(csv_row(cells));
  }
}

void print_remarks(const std::vector<RunSummary>& runs) {
  print_text("\n");
  for (const std::string& note : notes_on(runs)) print("note: {}\n", note);
  if (const RunSummary* winner = best_of(runs)) print("* best top-1: {}\n", name_of(*winner));
  for (const Verdict& verdict : verdicts_of(runs)) {
    const bool paired = verdict.significance.test == Significance::Test::mcnemar;
    print("{:.2f} points above {}: {}, p = {:.2g} by {}\n", 100 * verdict.difference, name_of(*verdict.other),
          verdict.significance.significant() ? "significant" : "may be chance", verdict.significance.p,
          paired ? "McNemar's exact test on the same images"
                 : "the two-proportion z-test (that they judged the same images is not known)");
  }
}

int run(const Options& options) {
  std::vector<RunSummary> runs;
  for (const std::string& folder : options.runs) runs.push_back(read_run(folder));
  if (!options.output.empty()) write_comparison_charts(runs, options.output);
  if (options.json) {
    print_as_json(runs);
  } else if (options.csv) {
    print_as_csv(runs);
  } else {
    print_text(options.markdown ? to_markdown(table_of(runs)) : to_text(table_of(runs), terminal_width(stdout)));
    print_remarks(runs);
  }
  return 0;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("RUN", options->runs, "Run folders of `convoy train`")->required()->type_name("DIR");
  app.add_option("--output", options->output, "Write the curves there, as comparison.png and comparison.svg")
      ->type_name("DIR");
  CLI::Option* json = app.add_flag("--json", options->json, "Print one JSON object");
  CLI::Option* markdown = app.add_flag("--md", options->markdown, "Print the table as Markdown");
  CLI::Option* csv = app.add_flag("--csv", options->csv, "Print the figures as CSV, unrounded");
  json->excludes(markdown)->excludes(csv);
  markdown->excludes(csv);
  return [options] { return run(*options); };
}

}  // namespace

const Command kCompare = {
    "compare",
    "Compare training runs: accuracy, cost and curves",
    "  convoy compare runs/resnet18 runs/mobilenet_v2\n"
    "  convoy compare runs/* --output comparison --md",
    declare,
};

}  // namespace convoy::cli
