// What a run decides before its first step: images, plan, memory.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "convoy/error.h"
#include "core/cpu.h"
#include "core/parallel.h"
#include "core/text.h"
#include "data/recipe_images.h"
#include "graph/work.h"
#include "inference/source_options.h"
#include "inference/weight_import.h"
#include "ops/optimizer/optimizer.h"
#include "plan/network_graph.h"
#include "train/freeze.h"
#include "train/optimizer_options.h"
#include "train/run_folder.h"
#include "train/trainer.h"
#include "train/updates.h"

namespace convoy {
namespace {

const Recipe& checked(const Recipe& recipe) {
  check(recipe);
  return recipe;
}

// The network that only the initial checkpoint knows; null: the program knows it.
std::shared_ptr<const Model> network_of_checkpoint(const Recipe& recipe) {
  if (models().contains(recipe.model) || recipe.initial_checkpoint.empty()) return nullptr;
  const std::optional<ModelCard> card = find_model_card(Checkpoint(model_file_of(recipe.initial_checkpoint)));
  return card && card->architecture == recipe.model ? card->network : nullptr;
}

}  // namespace

Trainer::Trainer(const Recipe& recipe, const TrainCallbacks& callbacks, const std::atomic<bool>* stop, World* world)
    : recipe_(checked(recipe)),
      callbacks_(callbacks),
      stop_(stop),
      world_(world),
      network_of_checkpoint_(network_of_checkpoint(recipe)),
      model_(network_of_checkpoint_ != nullptr ? *network_of_checkpoint_ : find_model(recipe.model)),
      numbered_(recipe_.experiment.empty()),
      folder_(is_first() ? settle_run_folder(recipe_) : std::filesystem::path()),
      states_(folder_) {
  recipe_.img_size = recipe_.img_size.value_or(model_.image_size);
  settle_precision();
  open_data();
  plan();
  warn_of_short_average();
}

void Trainer::warn_of_short_average() const {
  if (!recipe_.model_ema) return;
  constexpr double kMostShare = 0.2;
  const double lag = 1 / (1 - MovingAverageOp::decay_at(updates_ - 1, recipe_.model_ema_decay));
  if (lag <= kMostShare * static_cast<double>(updates_)) return;
  warn(
      fmt::format("model-ema: an average lags some {:.0f} of the run's {} updates behind; train for longer, or without",
                  lag, updates_));
}

void Trainer::settle_precision() {
  recipe_.precision = settled(recipe_.precision);
  if (recipe_.precision == Precision::bf16 && !has_matrix_tiles()) {
    warn("precision: bf16 is slower than fp32 here: this processor has no matrix tiles, or CONVOY_ISA leaves them out");
  }
}

void Trainer::open_data() {
  const TrainVal data = open_run_data(recipe_);
  train_ = data.train;
  val_ = data.val;
  train_source_ = data.train_source;
  val_source_ = data.val_source;
  for (const DataProblem& problem : data.problems) warn(problem.text);
  if (val_ == nullptr) {
    if (recipe_.save_best_above) {
      throw UsageError(
          fmt::format("save-best-above: {} has no images to validate with; give --val FOLDER or "
                      "--val-split 0.2",
                      recipe_.data));
    }
    warn("there are no images to validate with; give --val FOLDER or --val-split 0.2 to see how good the network is");
  }
  for (const std::string& name : train_->class_names()) {
    if (const std::string shown = to_utf8(name); shown != name) {
      throw Error(
          fmt::format("{}: the class '{}' has a name that is not UTF-8; rename its folder", recipe_.data, shown));
    }
  }
  preprocessing_ = preprocessing_of(recipe_, *recipe_.img_size);
  model_options_ = model_options(recipe_);
  model_options_.num_classes = static_cast<int64_t>(train_->class_names().size());
  frozen_ = frozen_parameters(model_, model_options_, *recipe_.img_size, recipe_.freeze);
  settle_slices();
  settle_batch_size();
  const bool lr_is_given = recipe_.lr.has_value();
  settle_optimizer(recipe_);
  check(recipe_);
  if (!batch_size_reason_.empty()) batch_size_reason_ += "; " + explain_rate(lr_is_given);
  batch_size_ = std::min(recipe_.batch_size, train_->size() / slices_);
  if (batch_size_ < recipe_.batch_size) {
    warn(fmt::format("batch-size: {} has only {} training images, which make one batch; got {}", recipe_.data,
                     train_->size(), recipe_.batch_size * slices_));
  }
  settle_last_batch();
  steps_per_epoch_ = train_->size() / whole_batch() + (last_batch_ > 0 ? 1 : 0);
  const int64_t accumulate = recipe_.grad_accum_steps;
  end_batch_ = recipe_.epochs * steps_per_epoch_;
  if (recipe_.max_updates > 0) end_batch_ = std::min(end_batch_, recipe_.max_updates * accumulate);
  updates_ = end_batch_ / accumulate;
  if (updates_ == 0) {
    throw UsageError(
        fmt::format("grad-accum-steps: expected at most the run's {} batches, got {}", end_batch_, accumulate));
  }
  schedule_ = schedule_of(recipe_, static_cast<double>(steps_per_epoch_) / static_cast<double>(accumulate));
  take_val_share();
  record_ = make_training_record(recipe_, *train_);
  identity_ = {recipe_, train_->class_names(), record_.names, !lr_is_given};
}

void Trainer::take_val_share() {
  own_val_ = val_;
  if (val_ == nullptr || world_ == nullptr) return;
  const BatchSlice share = slice_of(val_->size(), world_->size(), world_->rank());
  std::vector<int64_t> indices(static_cast<size_t>(share.size));
  std::iota(indices.begin(), indices.end(), share.first);
  first_own_val_ = share.first;
  own_val_ = indices.empty() ? nullptr : make_subset(val_, std::move(indices));
}

void Trainer::settle_slices() {
  slices_ = recipe_.slices.value_or(ranks());
  if (slices_ % ranks() != 0) {
    throw UsageError(
        fmt::format("slices: expected auto or a multiple of {}, the ranks of this run, got {}", ranks(), slices_));
  }
  if (world_ == nullptr && recipe_.reduce_dtype != Recipe::ReduceDtype::fp32) {
    throw UsageError("reduce-dtype: expected fp32 where there is one process, which sends no gradients, got bf16");
  }
  if (recipe_.sync_bn && slices_ > ranks()) {
    throw UsageError(
        fmt::format("sync-bn: a process normalises its slices one by one; leave out slices and take a batch-size of {}",
                    recipe_.batch_size * slices_ / ranks()));
  }
  if (train_->size() < slices_) {
    throw UsageError(fmt::format("slices: expected at most {}, the training images of {}, got {}", train_->size(),
                                 recipe_.data, slices_));
  }
  // A run in one slice is as it always was.
  recipe_.slices = slices_ > 1 ? std::optional(slices_) : std::nullopt;
  if (world_ != nullptr) world_->send_bf16(recipe_.reduce_dtype == Recipe::ReduceDtype::bf16);
}

std::vector<BatchSlice> Trainer::own_slices(int64_t batch) const {
  return slices_of_rank(batch, slices_, rank(), ranks());
}

void Trainer::settle_last_batch() {
  last_batch_ = recipe_.drop_last ? 0 : train_->size() % whole_batch();
  if (last_batch_ == 0) return;
  const int64_t least = last_batch_ / slices_;
  if (least == 0) {
    warn(fmt::format("the last batch of an epoch has {} images only, too few for {} slices: it is left out",
                     last_batch_, slices_));
    last_batch_ = 0;
  }
  const int64_t normed = recipe_.sync_bn ? last_batch_ : least;
  for (const Stage& stage : stages_of(recipe_)) {
    if (last_batch_ == 0 || can_normalise(model_, model_options_, normed, stage.image_size)) continue;
    warn(fmt::format("the last batch of an epoch has {} image only, too few for the batch norms of {}: it is left out",
                     normed, model_.name));
    last_batch_ = 0;
  }
}

StepOptions Trainer::step_options(const Stage& stage, int64_t slice_size, int64_t batch) const {
  StepOptions options;
  options.model = &model_;
  options.model_options = model_options_;
  if (stage.drop) options.model_options.dropout = static_cast<float>(*stage.drop);
  options.batch_size = slice_size;
  options.image_size = stage.image_size;
  options.world = world_;
  options.slices = static_cast<int>(slices_ / ranks());
  options.share = static_cast<double>(slice_size) / static_cast<double>(batch);
  options.sync_batch_norm = recipe_.sync_bn;
  options.loss = recipe_.loss;
  options.label_smoothing = static_cast<float>(recipe_.smoothing);
  options.optimizer = optimizer_options(recipe_);
  options.lookahead = {.every = recipe_.lookahead, .decay = recipe_.lookahead_decay};
  options.clip_grad_norm = static_cast<float>(clip_grad_norm(recipe_));
  options.accumulate = static_cast<int>(recipe_.grad_accum_steps);
  options.freeze_stats = recipe_.freeze_stats;
  if (stage.frozen) {
    options.frozen = frozen_;
  } else {
    options.thawed = frozen_;
    options.thawed_after = recipe_.unfreeze_after * steps_per_epoch_ / recipe_.grad_accum_steps;
  }
  options.precision = recipe_.precision;
  options.ema_decay = recipe_.model_ema ? recipe_.model_ema_decay : 0;
  return options;
}

void Trainer::plan_parts() {
  for (const Stage& stage : stages_of(recipe_)) {
    Part& part = parts_.emplace_back();
    part.stage = stage;
    part.preprocessing = preprocessing_of(recipe_, stage.image_size);
    try {
      const auto seed = static_cast<uint64_t>(recipe_.seed);
      part.step = std::make_unique<TrainingStep>(step_options(stage, batch_size_, whole_batch()), variables_, seed);
      if (last_batch_ == 0) continue;
      for (const BatchSlice& slice : own_slices(last_batch_)) {
        std::unique_ptr<TrainingStep>& step = part.last_steps[slice.size];
        if (step != nullptr) continue;
        step = std::make_unique<TrainingStep>(step_options(stage, slice.size, last_batch_), variables_, seed);
      }
    } catch (const Error& error) {
      if (parts_.size() == 1) throw;
      throw UsageError(fmt::format("progressive-img-size: the weights of {} depend on the image size: {}", model_.name,
                                   error.what()));
    }
  }
}

std::vector<TrainingStep*> Trainer::steps() const {
  std::vector<TrainingStep*> steps;
  for (const Part& part : parts_) {
    steps.push_back(part.step.get());
    for (const auto& [size, step] : part.last_steps) steps.push_back(step.get());
  }
  return steps;
}

void Trainer::plan() {
  plan_parts();
  inference_ = std::make_unique<InferenceStep>(model_, model_options_, batch_size_, *recipe_.img_size, variables_,
                                               static_cast<uint64_t>(recipe_.seed),
                                               InferenceOptions{.averaged = recipe_.model_ema, .folded = true});
  network_ = inference_graph(model_, model_options_, {1, *recipe_.img_size, *recipe_.img_size, 3},
                             recipe_.model_ema ? kAverageScope : std::string_view());
  arena_ = Buffer(fit_into_memory());
  if (recipe_.cache == Recipe::Cache::disk) {
    const std::filesystem::path folder(recipe_.cache_dir);
    disk_cache_ = std::make_shared<DiskCache>(folder.empty() ? default_cache_folder() : folder,
                                              static_cast<uint64_t>(recipe_.cache_size * 1e9));
  }
  for (TrainingStep* step : steps()) step->bind(variables_, arena_);
  if (slices_ > ranks()) statistics_.emplace(variables_, parts_.front().step->statistics(), world_);
  inference_->bind(variables_, arena_);
}

void Trainer::load_initial_checkpoint() {
  const std::filesystem::path path = model_file_of(recipe_.initial_checkpoint);
  Checkpoint file(path);
  const std::optional<ModelCard> card = find_model_card(file);
  WeightImport weights(std::move(file), model_, model_options_, *recipe_.img_size, model_options_.num_classes);
  if (card && card->class_names != train_->class_names()) weights.replace_head();
  if (const std::string problem = weights.problem(false, false); !problem.empty()) {
    throw UsageError(problem + "; `convoy import` shows which, and can leave some out");
  }
  const std::vector<SourceNetwork> networks = networks_behind(weights.naming(), card, model_);
  if (const SourceNetwork* network = choose_network(networks, recipe_, path.string())) {
    ModelOptions theirs = model_options_;
    apply(*network, recipe_, theirs);
    const bool same = theirs.bn_eps == model_options_.bn_eps && theirs.same_padding == model_options_.same_padding &&
                      theirs.activation == model_options_.activation;
    if (!same) {
      throw UsageError(fmt::format("initial-checkpoint: {} comes from {}; expected {} with it, or other values",
                                   path.string(), network->name, flags_of(*network)));
    }
  }
  weights.load(variables_);
  if (const auto name = first_not_finite(variables_)) {
    throw NumericError(fmt::format(
        "{}: {} has values that are not finite, which no training can mend; use another file", path.string(), *name));
  }
  const ImportReport& report = weights.report();
  std::vector<std::string> names = report.new_head;
  for (const ImportedTensor& tensor : report.imported) names.push_back(tensor.name);
  start_followers(variables_, names);
  initial_weights_ = fmt::format("{} tensors from {}", report.imported.size(), path.string());
  if (report.new_head.empty()) return;
  const bool as_many = report.file_classes == report.num_classes;
  initial_weights_ += fmt::format("; {} start anew for {} classes (the file has {})", fmt::join(report.new_head, ", "),
                                  report.num_classes, as_many ? "others" : std::to_string(report.file_classes));
}

void Trainer::start_from_images() {
  if (!model_.start_from_images) return;
  constexpr int64_t kImages = 5000, kPixels = kImages * 32 * 32;
  const int64_t side = preprocessing_.image_size;
  LoaderOptions options;
  options.batch_size = std::clamp<int64_t>(kPixels / (side * side), 1, std::min(kImages, train_->size()));
  options.shuffle = true;
  options.preprocessing = preprocessing_;
  options.on_bad_image = OnBadImage::skip;
  options.seed = static_cast<uint64_t>(recipe_.seed);
  options.workers = 0;
  options.cache_bytes = 0;
  Loader loader(train_, options);
  const Batch& batch = loader.next();
  if (batch.size == 0) return;

  std::map<std::string, std::vector<float>, std::less<>> started;
  const auto weight = [&](std::string_view name) {
    return std::span(started.try_emplace(std::string(name), variables_.read(name)).first->second);
  };
  const Shape shape{batch.size, side, side, 3};
  model_.start_from_images(
      {.pixels = {batch.images.floats(), static_cast<size_t>(shape.elements())}, .shape = shape, .weight = weight});
  std::vector<std::string> names;
  for (const auto& [name, values] : started) {
    variables_.write(name, values);
    names.push_back(name);
  }
  start_followers(variables_, names);
}

LoaderOptions Trainer::loader_options() const {
  LoaderOptions options;
  options.batch_size = batch_size_;
  options.seed = static_cast<uint64_t>(recipe_.seed);
  options.workers = static_cast<int>(recipe_.workers);
  options.cache_bytes = cache_bytes_;
  options.disk_cache = disk_cache_;
  return options;
}

std::unique_ptr<Loader> Trainer::make_train_loader() const {
  const Part& part = parts_[part_];
  LoaderOptions options = loader_options();
  options.batch_size = whole_batch();
  options.slices = slices_;
  options.rank = rank();
  options.ranks = ranks();
  options.pixels = pixels_;
  options.shuffle = true;
  options.drop_last = last_batch_ == 0;
  options.preprocessing = part.preprocessing;
  options.augmentation = augmentation_of(recipe_);
  options.augmentation->mixup_alpha = part.stage.mixup;
  options.augmentation->policy = part.stage.aa;
  options.on_bad_image = recipe_.on_bad_image;
  options.replace_skipped = true;
  options.first_epoch = position_.epoch;
  options.first_step = position_.step;
  options.offset = position_.offset;
  options.end_epoch = part.stage.end_epoch;
  return std::make_unique<Loader>(train_, options);
}

std::unique_ptr<Loader> Trainer::make_val_loader() const {
  LoaderOptions options = loader_options();
  options.preprocessing = preprocessing_;
  options.on_bad_image = recipe_.on_bad_image;
  return std::make_unique<Loader>(own_val_, options);
}

void Trainer::report_start() const {
  if (!callbacks_.on_train_begin) return;
  int64_t parameters = 0, frozen = 0;
  const Graph& graph = parts_.back().step->program().graph();
  for (const ValueId id : graph.parameters()) {
    const ValueInfo& info = graph.value(id);
    const int64_t count = info.type.shape.elements();
    if (frozen_.contains(info.name)) frozen += count;
    if (!parts_.back().stage.frozen || !frozen_.contains(info.name)) parameters += count;
  }
  callbacks_.on_train_begin({.folder = folder_,
                             .recipe = recipe_,
                             .class_names = train_->class_names(),
                             .train_source = train_source_,
                             .val_source = val_source_,
                             .train_images = train_->size(),
                             .val_images = val_ == nullptr ? 0 : val_->size(),
                             .batch_size = batch_size_,
                             .batch_size_reason = batch_size_reason_,
                             .steps_per_epoch = steps_per_epoch_,
                             .parameters = parameters,
                             .frozen_parameters = frozen,
                             .initial_weights = initial_weights_,
                             .multiply_adds = multiply_adds(network_),
                             .planned_bytes = arena_.size() + variables_.bytes() + inference_->folded_bytes(),
                             .repeated = repeated_work(),
                             .first_epoch = position_.epoch,
                             .first_step = position_.step,
                             .first_batch = position_.batches});
}

}  // namespace convoy
