#include "report/run_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "convoy/error.h"
#include "core/text.h"
#include "data/image.h"
#include "formats/atomic_file.h"
#include "formats/csv_table.h"
#include "formats/strict_json.h"
#include "inference/predictions.h"

namespace convoy {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kFormat = 1;

double rate(int64_t images, double seconds) { return seconds > 0 ? static_cast<double>(images) / seconds : 0; }

std::string text_of(const std::filesystem::path& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  return {bytes.begin(), bytes.end()};
}

int64_t count_from(const json& node, const char* key) {
  const auto value = node.at(key).get<int64_t>();
  if (value < 0) throw Error(fmt::format("expected a count for {}, got {}", key, value));
  return value;
}

double seconds_from(const json& node, const char* key) {
  const auto value = node.at(key).get<double>();
  if (!(value >= 0)) throw Error(fmt::format("expected a time for {}, got {}", key, value));
  return value;
}

RunSummary summary_from(const json& root) {
  if (root.at("format").get<int64_t>() > kFormat) throw Error("it is of a newer version of Convoy");
  RunSummary summary;
  summary.version = root.at("version").get<std::string>();
  summary.model = root.at("model").get<std::string>();
  summary.image_size = count_from(root, "img_size");
  summary.batch_size = count_from(root, "batch_size");
  summary.class_names = root.at("classes").get<std::vector<std::string>>();
  summary.train_images = count_from(root, "train_images");
  summary.val_images = count_from(root, "val_images");
  summary.parameters = count_from(root, "parameters");
  summary.multiply_adds = count_from(root, "multiply_adds");
  summary.planned_bytes = count_from(root, "planned_bytes");
  summary.epochs_planned = count_from(root, "epochs");
  summary.finished = root.at("finished").get<bool>();
  const json& cost = root.at("cost");
  summary.cost = {.wall_seconds = seconds_from(cost, "wall_seconds"),
                  .cpu_seconds = seconds_from(cost, "cpu_seconds"),
                  .train_seconds = seconds_from(cost, "train_seconds"),
                  .train_images = count_from(cost, "train_images"),
                  .val_seconds = seconds_from(cost, "val_seconds"),
                  .val_images = count_from(cost, "val_images"),
                  .peak_bytes = count_from(cost, "peak_bytes")};
  return summary;
}

RunSummary read_summary(const std::filesystem::path& path) {
  try {
    return summary_from(parse_strict_json(text_of(path), 2, "the summary"));
  } catch (const json::exception& error) {
    throw Error(fmt::format("{}: damaged: {}", path.string(), quote_name(error.what())));
  } catch (const Error& error) {
    error.rethrow(fmt::format("{}: damaged: {}", path.string(), error.what()));
  }
}

// Which folder beside a missing one was likely meant.
std::string hint_for(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  const std::filesystem::path parent = folder.has_parent_path() ? folder.parent_path() : ".";
  for (const auto& entry : std::filesystem::directory_iterator(parent, ignored)) {
    if (std::filesystem::exists(entry.path() / kSummaryFile, ignored))
      names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  const std::string name = nearest(folder.filename().string(), names);
  return name.empty() ? "" : fmt::format(" (did you mean '{}'?)", (folder.parent_path() / name).string());
}

}  // namespace

const RunEpoch* RunSummary::best() const {
  const RunEpoch* best = nullptr;
  for (const RunEpoch& epoch : epochs) {
    if (std::isfinite(epoch.val_top1) && (best == nullptr || epoch.val_top1 > best->val_top1)) best = &epoch;
  }
  return best;
}

double RunSummary::train_images_per_second() const { return rate(cost.train_images, cost.train_seconds); }
double RunSummary::val_images_per_second() const { return rate(cost.val_images, cost.val_seconds); }

void write_run_summary(const RunSummary& summary) {
  ordered_json root = {{"format", kFormat},
                       {"version", summary.version},
                       {"model", summary.model},
                       {"img_size", summary.image_size},
                       {"batch_size", summary.batch_size},
                       {"train_images", summary.train_images},
                       {"val_images", summary.val_images},
                       {"parameters", summary.parameters},
                       {"multiply_adds", summary.multiply_adds},
                       {"planned_bytes", summary.planned_bytes},
                       {"epochs", summary.epochs_planned},
                       {"epochs_done", summary.epochs.size()},
                       {"finished", summary.finished}};
  if (const RunEpoch* best = summary.best()) {
    root["best_epoch"] = best->epoch;
    root["best_top1"] = best->val_top1;
  }
  root["train_images_per_second"] = summary.train_images_per_second();
  root["val_images_per_second"] = summary.val_images_per_second();
  const RunCost& cost = summary.cost;
  root["cost"] = {{"wall_seconds", cost.wall_seconds},   {"cpu_seconds", cost.cpu_seconds},
                  {"train_seconds", cost.train_seconds}, {"train_images", cost.train_images},
                  {"val_seconds", cost.val_seconds},     {"val_images", cost.val_images},
                  {"peak_bytes", cost.peak_bytes}};
  root["classes"] = ordered_json::array();
  for (const std::string& name : summary.class_names) root["classes"].push_back(to_utf8(name));
  write_file_atomically(summary.folder / kSummaryFile, root.dump(2) + "\n");
}

std::vector<RunEpoch> read_results(const std::filesystem::path& path) {
  std::string text = text_of(path);
  text.resize(text.rfind('\n') + 1);
  const auto rows = parse_csv(text, path.string());
  if (rows.empty()) throw Error(fmt::format("{}: it has no header", path.string()));
  const auto column = [&](const char* name) {
    const auto found = std::ranges::find(rows.front(), name);
    if (found == rows.front().end()) throw Error(fmt::format("{}: there is no column {}", path.string(), name));
    return static_cast<size_t>(found - rows.front().begin());
  };
  const auto fail = [&](size_t row, const char* name, const char* expected) {
    throw Error(fmt::format("{}: row {}: {}: expected {}, got {}", path.string(), row + 1, name, expected,
                            quote_name(rows[row][column(name)])));
  };
  const auto number = [&](size_t row, const char* name) {
    const std::string& cell = rows[row][column(name)];
    double value = RunEpoch::kNone;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error != std::errc() || end != cell.data() + cell.size()) fail(row, name, "a number");
    // No finite loss of 32-bit logits is as large.
    if (std::isfinite(value) && std::abs(value) > 1e39) fail(row, name, "a number up to 1e39");
    return value;
  };
  const auto share = [&](size_t row, const char* name) {
    const double value = number(row, name);
    if (value < 0 || value > 1) fail(row, name, "a share from 0 to 1");
    return value;
  };
  std::vector<RunEpoch> epochs;
  for (size_t row = 1; row < rows.size(); ++row) {
    const double epoch = number(row, "epoch");
    if (!(epoch >= 1 && epoch <= 1e9)) fail(row, "epoch", "a number from 1 to 1e9");
    epochs.push_back({.epoch = static_cast<int64_t>(epoch),
                      .lr = number(row, "lr"),
                      .train_loss = number(row, "train_loss"),
                      .train_top1 = share(row, "train_top1"),
                      .val_loss = number(row, "val_loss"),
                      .val_top1 = share(row, "val_top1"),
                      .val_top5 = share(row, "val_top5")});
  }
  return epochs;
}

RunSummary read_run(const std::filesystem::path& folder) {
  // "runs/birds/" is "runs/birds".
  const std::filesystem::path run = folder.has_filename() ? folder : folder.parent_path();
  std::error_code ignored;
  if (!std::filesystem::exists(run / kSummaryFile, ignored)) {
    throw FileError(fmt::format("{}: expected a run folder of `convoy train`, but {}{}", run.string(),
                                std::filesystem::exists(run, ignored) ? fmt::format("it has no {}", kSummaryFile)
                                                                      : std::string("nothing is there"),
                                hint_for(run)));
  }
  RunSummary summary = read_summary(run / kSummaryFile);
  summary.folder = run;
  summary.epochs = read_results(run / kResultsFile);
  if (std::filesystem::exists(run / kPredictionsFile, ignored)) {
    summary.outcomes = read_predictions(run / kPredictionsFile, summary.class_names);
  }
  return summary;
}

}  // namespace convoy
