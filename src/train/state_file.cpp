#include "train/state_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "convoy/error.h"
#include "convoy/version.h"
#include "core/cpu.h"
#include "core/hash.h"
#include "core/random.h"
#include "formats/safetensors.h"
#include "formats/strict_json.h"
#include "train/updates.h"

namespace convoy {
namespace {

using nlohmann::json;

constexpr const char* kMetadataKey = "convoy_state";
constexpr int kFormat = 2;

// On which, beside the recipe and the data, the bits of a run depend.
std::string this_build() { return fmt::format("convoy {} with {} instructions", version(), to_string(active_isa())); }

// Of everything that a state file holds.
uint64_t digest_of(json root, const std::map<std::string, std::span<const std::byte>>& tensors) {
  root.erase("digest");
  uint64_t digest = hash_name(root.dump());
  for (const auto& [name, bytes] : tensors) {
    digest = hash_bytes(digest, std::as_bytes(std::span(name)));
    digest = hash_bytes(digest, bytes);
  }
  return digest;
}

json to_json(const TrainingPosition& position) {
  json node = {{"epoch", position.epoch},
               {"step", position.step},
               {"batches", position.batches},
               {"whole_batch", position.whole_batch},
               {"offset", position.offset},
               {"samples", position.epoch_sums.samples},
               {"top1", position.epoch_sums.top1},
               {"top5", position.epoch_sums.top5},
               {"loss", position.epoch_sums.loss},
               {"best_epoch", position.best_epoch},
               {"wall_seconds", position.cost.wall_seconds},
               {"cpu_seconds", position.cost.cpu_seconds},
               {"train_seconds", position.cost.train_seconds},
               {"train_images", position.cost.train_images},
               {"val_seconds", position.cost.val_seconds},
               {"val_images", position.cost.val_images},
               {"peak_bytes", position.cost.peak_bytes}};
  if (position.best) node["best"] = *position.best;
  return node;
}

int64_t count(const json& node) {
  const auto value = node.get<int64_t>();
  if (value < 0) throw Error(fmt::format("expected a count, got {}", value));
  return value;
}

TrainingPosition position_from(const json& node) {
  TrainingPosition position;
  position.epoch = count(node.at("epoch"));
  position.step = count(node.at("step"));
  position.batches = count(node.at("batches"));
  if (node.contains("whole_batch")) position.whole_batch = count(node.at("whole_batch"));
  if (node.contains("offset")) position.offset = count(node.at("offset"));
  position.epoch_sums = {.samples = count(node.at("samples")),
                         .top1 = count(node.at("top1")),
                         .top5 = count(node.at("top5")),
                         .loss = node.at("loss").get<double>()};
  position.best_epoch = count(node.at("best_epoch"));
  // Older versions did not count them.
  position.cost = {.wall_seconds = node.value("wall_seconds", 0.0),
                   .cpu_seconds = node.value("cpu_seconds", 0.0),
                   .train_seconds = node.value("train_seconds", 0.0),
                   .train_images = node.value("train_images", int64_t{0}),
                   .val_seconds = node.value("val_seconds", 0.0),
                   .val_images = node.value("val_images", int64_t{0}),
                   .peak_bytes = node.value("peak_bytes", int64_t{0})};
  if (node.contains("best")) position.best = node.at("best").get<double>();
  return position;
}

// A state file whose header has been read.
struct Candidate {
  int slot = 0;
  SafetensorsReader file;
  json root;
  TrainingPosition position;
};

Candidate open_candidate(int slot, const std::filesystem::path& path) {
  SafetensorsReader file(path);
  const auto found = file.metadata().find(kMetadataKey);
  if (found == file.metadata().end()) throw FileError(fmt::format("{}: no training state", path.string()));
  try {
    json root = parse_strict_json(found->second, 2, "the description of the state");
    if (root.at("format").get<int>() != kFormat) {
      throw Error(fmt::format("expected format {}, got {}", kFormat, root.at("format").get<int>()));
    }
    TrainingPosition position = position_from(root.at("position"));
    return {slot, std::move(file), std::move(root), position};
  } catch (const json::exception& error) {
    throw Error(fmt::format("{}: damaged: {}", path.string(), quote_name(error.what())));
  } catch (const Error& error) {
    error.rethrow(fmt::format("{}: damaged: {}", path.string(), error.what()));
  }
}

// Throws UsageError unless the state belongs to the run; json::exception when it is damaged.
void check_identity(const Candidate& candidate, const RunIdentity& identity) {
  const std::string path = candidate.file.path().string();
  Recipe saved;
  read_recipe_text(saved, candidate.root.at("recipe").get<std::string>(), path);
  for (const RecipeField& field : recipe_fields()) {
    const bool follows = field.name == "lr" && identity.rate_follows && saved.slices != identity.recipe.slices;
    if (!field.identifies_run || follows) continue;
    const std::string before = field.get(saved).value_or("auto");
    const std::string now = field.get(identity.recipe).value_or("auto");
    if (before == now) continue;
    throw UsageError(
        fmt::format("{}: cannot resume: {} was {} and is now {}; use the same settings or another --experiment", path,
                    field.name, before, now));
  }
  if (candidate.root.at("class_names").get<std::vector<std::string>>() != identity.class_names) {
    throw UsageError(fmt::format("{}: cannot resume: the classes are no longer the same; the data has {}", path,
                                 fmt::join(identity.class_names, ", ")));
  }
  if (candidate.root.at("data").get<uint64_t>() != identity.data) {
    throw UsageError(fmt::format("{}: cannot resume: the training images are no longer the same", path));
  }
}

// Of a state that is whole. An older version did not say what had made it.
void warn_of_other_build(const Candidate& candidate, const std::function<void(const std::string&)>& warn) {
  const std::string made_by = candidate.root.value("made_by", this_build());
  if (made_by == this_build()) return;
  warn(fmt::format("{}: was saved by {}, this is {}: the run goes on, but not to the same bits",
                   candidate.file.path().string(), quote_name(made_by), this_build()));
}

using Contents = std::map<std::string, std::vector<std::byte>>;

// Throws Error unless the state is as it was saved.
Contents read_contents(const Candidate& candidate) {
  Contents contents;
  std::map<std::string, std::span<const std::byte>> tensors;
  for (const StoredTensor& stored : candidate.file.tensors()) {
    tensors[stored.name] = contents[stored.name] = candidate.file.bytes(stored.name);
  }
  if (candidate.root.at("digest").get<uint64_t>() != digest_of(candidate.root, tensors)) {
    throw Error(fmt::format("{}: damaged: it is not what was saved", candidate.file.path().string()));
  }
  return contents;
}

// Gradients that wait for the update are 0 after one: they are not stored then.
bool is_zero(std::string_view name, const Recipe& recipe, const TrainingPosition& position) {
  return name.starts_with(kTotalPrefix) && position.batches % recipe.grad_accum_steps == 0;
}

// Checks all tensors, then sets the variables: a file that does not fit changes nothing.
void set_variables(const Candidate& candidate, const Contents& contents, const Recipe& recipe,
                   const Variables& variables) {
  const std::string path = candidate.file.path().string();
  size_t expected = 0, got = 0;
  for (const auto& [name, contained] : contents) got += is_zero(name, recipe, candidate.position) ? 0 : 1;
  for (const auto& [name, variable] : variables.all()) expected += is_zero(name, recipe, candidate.position) ? 0 : 1;
  if (got != expected) throw Error(fmt::format("{}: expected {} tensors, got {}", path, expected, got));
  for (const auto& [name, variable] : variables.all()) {
    if (is_zero(name, recipe, candidate.position)) continue;
    const StoredTensor& stored = candidate.file.tensor(name);
    const std::span<const int64_t> extents = variable.shape.extents();
    if (stored.type != DType::f32 || !std::ranges::equal(stored.shape, extents)) {
      throw Error(fmt::format("{}: {}: expected {} floats, got {} of {}", path, name, variable.shape.to_string(),
                              fmt::join(stored.shape, "x"), to_string(stored.type)));
    }
  }
  for (const auto& [name, variable] : variables.all()) {
    if (is_zero(name, recipe, candidate.position)) {
      variables.fill(name, [](std::span<float> values) { std::ranges::fill(values, 0.0F); });
      continue;
    }
    const std::vector<std::byte>& bytes = contents.at(name);
    variables.fill(name, [&](std::span<float> values) { std::memcpy(values.data(), bytes.data(), bytes.size()); });
  }
}

}  // namespace

std::filesystem::path StateFiles::slot(int index) const {
  return folder_ / (index == 0 ? "state-a.safetensors" : "state-b.safetensors");
}

bool StateFiles::exist() const {
  std::error_code ignored;
  return std::filesystem::exists(slot(0), ignored) || std::filesystem::exists(slot(1), ignored);
}

void StateFiles::save(const RunIdentity& identity, const TrainingPosition& position, const Variables& variables) {
  std::vector<TensorToStore> tensors;
  std::map<std::string, std::span<const std::byte>> contents;
  std::deque<std::vector<float>> downloaded;
  for (const auto& [name, variable] : variables.all()) {
    if (is_zero(name, identity.recipe, position)) continue;
    const std::span<const int64_t> extents = variable.shape.extents();
    const std::span<const std::byte> bytes = std::as_bytes(variables.elements(name, downloaded.emplace_back()));
    tensors.push_back({name, DType::f32, {extents.begin(), extents.end()}, bytes});
    contents[name] = bytes;
  }
  json root = {{"format", kFormat},
               {"position", to_json(position)},
               {"recipe", to_toml(identity.recipe)},
               {"class_names", identity.class_names},
               {"data", identity.data},
               {"made_by", this_build()}};
  root["digest"] = digest_of(root, contents);
  const int target = newest_ == 0 ? 1 : 0;
  write_safetensors(slot(target), std::move(tensors), {{kMetadataKey, root.dump()}});
  newest_ = target;
}

void StateFiles::keep_newest() const {
  std::error_code ignored;
  if (newest_) std::filesystem::remove(slot(1 - *newest_), ignored);
}

std::optional<TrainingPosition> StateFiles::load(const RunIdentity& identity, const Variables& variables,
                                                 const std::function<void(const std::string&)>& warn) {
  std::vector<Candidate> candidates;
  std::optional<Error> problem;
  const auto pass_over = [&](const Error& why) {
    problem = why;
    warn(fmt::format("{}; looking for an older state", why.what()));
  };
  for (const int index : {0, 1}) {
    std::error_code ignored;
    if (!std::filesystem::exists(slot(index), ignored)) continue;
    try {
      candidates.push_back(open_candidate(index, slot(index)));
    } catch (const Error& error) {
      pass_over(error);
    }
  }
  std::ranges::sort(candidates, std::greater{},
                    [](const Candidate& c) { return std::pair(c.position.batches, c.position.epoch); });
  for (const Candidate& candidate : candidates) {
    try {
      const Contents contents = read_contents(candidate);
      check_identity(candidate, identity);
      set_variables(candidate, contents, identity.recipe, variables);
      warn_of_other_build(candidate, warn);
      newest_ = candidate.slot;
      return candidate.position;
    } catch (const UsageError&) {
      throw;
    } catch (const json::exception& error) {
      pass_over(Error(fmt::format("{}: damaged: {}", candidate.file.path().string(), quote_name(error.what()))));
    } catch (const Error& error) {
      pass_over(error);
    }
  }
  if (problem) problem->rethrow(fmt::format("{}; there is no undamaged state to resume from", problem->what()));
  return std::nullopt;
}

}  // namespace convoy
