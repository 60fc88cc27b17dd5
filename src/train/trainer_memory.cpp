// What a run decides about memory: the size of its batches, and what its steps compute again.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "convoy/error.h"
#include "convoy/optimizer.h"
#include "core/byte_size.h"
#include "core/process.h"
#include "train/optimizer_options.h"
#include "train/run_folder.h"
#include "train/trainer.h"

namespace convoy {
namespace {

// For what is not planned: images being decoded, files being written.
constexpr int64_t kUnplannedBytes = int64_t{32} << 20;

// Sizes of batches that are tried, and the largest that is worth computing values again for: the usual one.
constexpr std::array<int64_t, 17> kBatchSizes{1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024};
constexpr int64_t kUsualBatchSize = 32;
// An epoch should make some updates, however small the images are.
constexpr int64_t kFewestSteps = 32;

}  // namespace

int64_t Trainer::memory_left() const {
  if (recipe_.memory) return *recipe_.memory - resident_bytes();
  // The ranks of a host share what it has.
  const size_t ranks = world_ == nullptr ? 1 : static_cast<size_t>(world_->ranks_here());
  return static_cast<int64_t>(std::min(available_memory() / ranks, size_t{1} << 60));
}

int64_t Trainer::arena_left(int64_t batch_size, size_t folded_bytes) const {
  const int64_t side = preprocessing_.image_size;
  const int64_t floats_per_image = 3 * side * side + model_options_.num_classes;
  const int64_t batches = (LoaderOptions().batches_ahead + 1) * (val_ == nullptr ? 1 : 2);
  const int64_t samples = batch_size * static_cast<int64_t>(own_slices(slices_).size());
  const auto loader_bytes = batches * samples * floats_per_image * static_cast<int64_t>(sizeof(float));
  return memory_left() - loader_bytes - static_cast<int64_t>(folded_bytes) - kUnplannedBytes;
}

bool Trainer::fits(int64_t batch_size, bool whole) {
  TrainingStep step(step_options(stages_of(recipe_).back(), batch_size, batch_size * slices_), variables_,
                    static_cast<uint64_t>(recipe_.seed));
  size_t folded_bytes = 0;
  const Graph& graph = step.program().graph();
  for (const ValueId id : graph.parameters()) {
    folded_bytes += static_cast<size_t>(graph.value(id).type.shape.elements()) * sizeof(float);
  }
  const auto allowed = static_cast<size_t>(std::max<int64_t>(arena_left(batch_size, folded_bytes), 0));
  return whole ? step.arena_bytes() <= allowed : step.fit(allowed);
}

void Trainer::settle_batch_size() {
  if (recipe_.batch_size > 0) return;
  const bool begun = is_first() && recipe_.resume && StateFiles(folder_).exist();
  if (begun) {
    Recipe before;
    read_recipe(before, folder_ / "recipe.toml");
    recipe_.batch_size = before.batch_size;
    batch_size_reason_ = "as the run began";
  } else {
    choose_batch_size();
  }
  if (world_ != nullptr) agree_on_batch_size(begun);
}

// What rank 0's run began with, or the most that all have room for.
void Trainer::agree_on_batch_size(bool begun) {
  struct Choice {
    int64_t size;
    bool begun;
  };
  const int64_t own = recipe_.batch_size;
  const std::vector<Choice> choices = gather_all(*world_, Choice{own, begun});
  if (choices.front().begun) {
    recipe_.batch_size = choices.front().size;
    return;
  }
  recipe_.batch_size = std::ranges::min(choices, {}, &Choice::size).size;
  if (recipe_.batch_size < own) batch_size_reason_ = "the most that fit on every rank";
}

void Trainer::choose_batch_size() {
  const int64_t most = std::max<int64_t>(train_->size() / (kFewestSteps * slices_), 1);
  const auto end = std::ranges::upper_bound(kBatchSizes, most);
  const auto behind_whole =
      std::partition_point(kBatchSizes.begin(), end, [&](int64_t size) { return fits(size, true); });
  const std::string given = recipe_.memory ? byte_size_text(*recipe_.memory) : "what is free";
  if (behind_whole == end) {
    batch_size_reason_ = end == kBatchSizes.end() ? "the largest that is tried"
                                                  : fmt::format("for {} steps an epoch or more", kFewestSteps);
  } else {
    batch_size_reason_ = fmt::format("the most that fit into {}", given);
  }
  auto behind = behind_whole;
  // Fewer images than usual in a batch are worse than computing some values again.
  for (auto larger = std::min(end, std::ranges::upper_bound(kBatchSizes, kUsualBatchSize)); larger > behind; --larger) {
    if (!fits(larger[-1], false)) continue;
    behind = larger;
    batch_size_reason_ = fmt::format("the most, up to {}, that fit into {}", kUsualBatchSize, given);
  }
  recipe_.batch_size = behind == kBatchSizes.begin() ? 1 : behind[-1];
}

std::string Trainer::explain_rate(bool given) const {
  if (given) return fmt::format("lr {:.6g} as given", *recipe_.lr);
  const Optimizer& optimizer = find_optimizer(recipe_.opt);
  return fmt::format("lr {:.6g}, as {} has {:.6g} for {:.6g} images, {}", *recipe_.lr, optimizer.name, optimizer.lr,
                     optimizer.lr_images, optimizer.lr_root ? "by the root of their number" : "in proportion");
}

size_t Trainer::fit_into_memory() {
  const int64_t left = arena_left(batch_size_, inference_->folded_bytes());
  const auto allowed = static_cast<size_t>(std::max<int64_t>(left, 0));
  size_t arena_bytes = inference_->arena_bytes();
  bool fit = arena_bytes <= allowed;
  for (TrainingStep* step : steps()) {
    fit = fit && step->fit(allowed);
    arena_bytes = std::max(arena_bytes, step->arena_bytes());
  }
  if (!fit) refuse(left);
  if (recipe_.cache == Recipe::Cache::ram) {
    cache_bytes_ = std::min(LoaderOptions().cache_bytes, (allowed - arena_bytes) / 4);
  }
  return arena_bytes;
}

RepeatedWork Trainer::repeated_work() const {
  RepeatedWork most;
  size_t whole_bytes = arena_.size();
  for (const TrainingStep* step : steps()) {
    whole_bytes = std::max(whole_bytes, step->arena_bytes() + step->repeated().saved_bytes);
    if (step->repeated().share > most.share) most = step->repeated();
  }
  most.saved_bytes = whole_bytes - arena_.size();
  return most;
}

void Trainer::refuse(int64_t left) {
  size_t smallest = inference_->arena_bytes();
  for (const TrainingStep* step : steps()) smallest = std::max(smallest, step->smallest_arena());
  const int64_t missing = static_cast<int64_t>(smallest) - left, available = memory_left();
  const std::string step =
      fmt::format("{} at batch size {} and image size {}", model_.name, batch_size_, *recipe_.img_size);
  const std::string advice = smaller_batch();
  if (recipe_.memory) {
    throw MemoryError(fmt::format("memory: expected at least {} for {}, got {}; {}",
                                  round_byte_size_up(*recipe_.memory + missing), step, byte_size_text(*recipe_.memory),
                                  advice));
  }
  throw MemoryError(fmt::format("memory: {} needs at least {} more, but {} are free; {}", step,
                                round_byte_size_up(available + missing), round_byte_size_up(available), advice));
}

std::string Trainer::smaller_batch() {
  for (int64_t size = batch_size_ / 2; size > 0; size /= 2) {
    if (fits(size, false)) return fmt::format("a batch size of {} fits", size);
  }
  return "not even one image fits, use smaller images or another network";
}

}  // namespace convoy
