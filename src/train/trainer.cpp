#include "train/trainer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <sstream>
#include <type_traits>

#include "convoy/error.h"
#include "convoy/version.h"
#include "core/cpu.h"
#include "formats/atomic_file.h"
#include "inference/evaluation.h"
#include "inference/predictions.h"
#include "train/run_folder.h"

namespace convoy {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

}  // namespace

TrainResult train(const Recipe& recipe, const TrainCallbacks& callbacks, const std::atomic<bool>* stop,
                  const std::string& command) {
  return train_in_world(recipe, callbacks, stop, command, nullptr);
}

TrainResult train_in_world(const Recipe& recipe, const TrainCallbacks& callbacks, const std::atomic<bool>* stop,
                           const std::string& command, World* world) {
  const bool shares_processors = world != nullptr && recipe.threads == 0;
  const ThreadTeamPtr team = team_of(shares_processors ? threads_of_rank(*world) : recipe.threads);
  const TeamScope scope(*team);
  return Trainer(recipe, callbacks, stop, world).run(command);
}

TrainResult Trainer::run(const std::string& command) {
  if (world_ != nullptr) check_ranks();
  std::optional<RunFolderLock> lock;
  if (is_first()) {
    resume();
    make_folder();
    lock.emplace(folder_);
    begin_run_folder(folder_, recipe_, command);
  }
  if (world_ != nullptr) share_start();
  pixels_ = make_pixel_store(train_->size(), bytes_to_keep(*train_, cache_bytes_), world_);
  report_start();
  if (is_first()) contents_.emplace(train_);
  if (own_val_ != nullptr) val_loader_ = make_val_loader();
  Progress progress = Progress::finished;
  while (progress == Progress::finished && !complete()) progress = run_epoch();
  if (progress == Progress::stopped && saved_batches_ != position_.batches) save();
  const std::optional<double> best =
      position_.best && val_ == nullptr ? std::optional(-*position_.best) : position_.best;
  const TrainResult result{.ending = ending(progress),
                           .folder = folder_,
                           .epochs = position_.epoch,
                           .val = val_result_,
                           .best = best,
                           .best_epoch = position_.best_epoch,
                           .cost = cost_now()};
  if (callbacks_.on_train_end) callbacks_.on_train_end(result);
  return result;
}

void Trainer::resume() {
  if (recipe_.resume) {
    if (const auto position = states_.load(identity_, variables_, [this](const std::string& text) { warn(text); })) {
      position_ = *position;
      if (position_.whole_batch != 0 && position_.whole_batch != whole_batch()) change_batch();
      saved_batches_ = position_.batches;
      check_position();
      return;
    }
  }
  recipe_.initial_checkpoint.empty() ? start_from_images() : load_initial_checkpoint();
}

// The run goes on from the same image, and counts its steps as if all had been of the size that they have now.
void Trainer::change_batch() {
  if (position_.batches % recipe_.grad_accum_steps != 0) {
    throw UsageError(fmt::format(
        "slices: the run in {} was stopped between two updates of {} batches each, so that batches must keep their {} "
        "images; got {}",
        folder_.string(), recipe_.grad_accum_steps, position_.whole_batch, whole_batch()));
  }
  const int64_t seen = std::min(position_.offset + position_.step * position_.whole_batch, train_->size());
  if (train_->size() - seen < whole_batch() && seen > 0) {
    warn(fmt::format("the last {} images of epoch {} are left out: they make no batch of {}", train_->size() - seen,
                     position_.epoch + 1, whole_batch()));
    position_.step = steps_per_epoch_;
    position_.offset = 0;
  } else {
    position_.step = seen / whole_batch();
    position_.offset = seen % whole_batch();
  }
  warn(fmt::format("batches have {} images, where they had {}: epoch {} goes on from image {} at learning rate {:.6g}",
                   whole_batch(), position_.whole_batch, position_.epoch + 1, seen + 1, *recipe_.lr));
  position_.batches = position_.epoch * steps_per_epoch_ + position_.step;
}

int64_t Trainer::steps_of_epoch() const {
  return position_.offset == 0 ? steps_per_epoch_ : (train_->size() - position_.offset) / whole_batch();
}

void Trainer::check_ranks() const {
  // Where things lie, and how they are computed, each rank may say for itself.
  constexpr std::string_view kOwn[] = {"data",   "val",     "output", "experiment", "threads",
                                       "memory", "workers", "cache",  "cache-dir",  "cache-size"};
  std::string text = fmt::format("convoy\t{}\ninstructions\t{}\n", version(), to_string(active_isa()));
  for (const RecipeField& field : recipe_fields()) {
    if (std::ranges::find(kOwn, field.name) != std::end(kOwn)) continue;
    text += fmt::format("{}\t{}\n", field.name, field.get(recipe_).value_or("auto"));
  }
  text += fmt::format("classes\t{}\n", fmt::join(train_->class_names(), ", "));
  text += fmt::format("training images\t{} ({:x})\n", train_->size(), identity_.data);
  if (val_ != nullptr) text += fmt::format("validation images\t{} ({:x})\n", val_->size(), hash_of(*val_));
  const std::vector<std::string> texts = world_->gather(text);
  for (int rank = 1; rank < world_->size(); ++rank) {
    const std::string difference = first_difference(texts.front(), texts[static_cast<size_t>(rank)], rank);
    if (!difference.empty()) throw UsageError(difference);
  }
}

std::string Trainer::first_difference(const std::string& first, const std::string& other, int rank) const {
  std::istringstream lines(first), other_lines(other);
  for (std::string line, other_line; std::getline(lines, line);) {
    std::getline(other_lines, other_line);
    if (line == other_line) continue;
    const size_t tab = line.find('\t'), other_tab = std::min(other_line.find('\t'), other_line.size() - 1);
    return fmt::format("{} of {}: expected {}, as {} has it, got {}", line.substr(0, tab), world_->name(rank),
                       line.substr(tab + 1), world_->name(0), other_line.substr(other_tab + 1));
  }
  return "";
}

void Trainer::share_start() {
  struct Start {
    TrainingPosition position;
    std::optional<int64_t> saved_batches;
  };
  static_assert(std::is_trivially_copyable_v<Start>);
  Start start{position_, saved_batches_};
  world_->broadcast(std::as_writable_bytes(std::span(&start, 1)));
  position_ = start.position;
  saved_batches_ = start.saved_batches;
  for (const auto& [name, variable] : variables_.all()) {
    std::vector<float> values = variables_.read(name);
    world_->broadcast(std::as_writable_bytes(std::span(values)));
    if (!is_first()) variables_.write(name, values);
  }
}

void Trainer::check_position() const {
  if (position_.batches > end_batch_) {
    const bool by_epochs = end_batch_ == recipe_.epochs * steps_per_epoch_;
    const double done = static_cast<double>(position_.batches) /
                        static_cast<double>(by_epochs ? steps_per_epoch_ : recipe_.grad_accum_steps);
    throw UsageError(fmt::format("{}: expected more than the {:.6g} that the run in {} has done, got {}",
                                 by_epochs ? "epochs" : "max-updates", done, folder_.string(),
                                 by_epochs ? recipe_.epochs : recipe_.max_updates));
  }
  const bool within_epoch = position_.batches != position_.epoch * steps_per_epoch_ + position_.step;
  if (within_epoch && position_.batches < end_batch_) {
    throw UsageError(fmt::format("max-updates: the run in {} ended within epoch {} and cannot be made longer",
                                 folder_.string(), position_.epoch));
  }
}

void Trainer::make_folder() {
  if (!numbered_ || saved_batches_) return create_folder(folder_);
  folder_ = create_numbered_folder(recipe_);
  identity_.recipe.experiment = recipe_.experiment;
  states_ = StateFiles(folder_);
}

bool Trainer::out_of_time_here() const { return recipe_.time > 0 && seconds_since(begin_) >= 60 * recipe_.time; }

bool Trainer::impatient() const {
  const bool judged = val_ == nullptr || position_.epoch % recipe_.eval_interval == 0;
  return recipe_.patience > 0 && judged && position_.best &&
         position_.epoch - 1 - position_.best_epoch >= recipe_.patience;
}

bool Trainer::complete() const {
  // A run that was stopped behind its last step has that epoch's validation left.
  return (position_.batches >= end_batch_ && position_.step == 0) || impatient();
}

TrainEnding Trainer::ending(Progress progress) const {
  if (progress == Progress::stopped) return interrupted() ? TrainEnding::interrupted : TrainEnding::out_of_time;
  return position_.batches >= end_batch_ ? TrainEnding::finished : TrainEnding::no_progress;
}

void Trainer::begin_stage() {
  const size_t now = stage_at(stages_of(recipe_), position_.epoch);
  if (loader_ != nullptr && now == part_) return;
  part_ = now;
  loader_.reset();  // its threads and images first
  loader_ = make_train_loader();
}

void Trainer::report_epoch_start() const {
  if (!callbacks_.on_epoch_begin) return;
  const Stage& stage = parts_[part_].stage;
  const double run_epochs = static_cast<double>(end_batch_) / static_cast<double>(steps_per_epoch_);
  callbacks_.on_epoch_begin({.epoch = position_.epoch,
                             .step = position_.step,
                             .steps = std::min(steps_per_epoch_, end_batch_ - position_.epoch * steps_per_epoch_),
                             .lr = schedule_.at(schedule_time(position_.batches)),
                             .later_epochs = later_epochs(stages_of(recipe_), position_.epoch, run_epochs),
                             .image_size = stage.image_size,
                             .drop = stage.drop,
                             .mixup = stage.mixup,
                             .aa = stage.aa,
                             .frozen = stage.frozen});
}

Trainer::Progress Trainer::run_epoch() {
  begin_stage();
  epoch_begin_ = Clock::now();
  reader_seconds_before_ = loader_->wait_seconds();
  report_epoch_start();
  while (position_.step < steps_of_epoch() && position_.batches < end_batch_) {
    run_step();
    agree_to_stop();
    if (stop_asked()) return Progress::stopped;
  }
  const bool last = position_.batches >= end_batch_;
  const bool due = (position_.epoch + 1) % recipe_.eval_interval == 0 || last;
  if (val_ != nullptr && due && validate() == Progress::stopped) return Progress::stopped;
  finish_epoch();
  return stop_asked() && !complete() ? Progress::stopped : Progress::finished;
}

int64_t Trainer::schedule_time(int64_t batch) const {
  return recipe_.sched_on_updates ? batch / recipe_.grad_accum_steps : batch / steps_per_epoch_;
}

void Trainer::run_step() {
  const int64_t time = schedule_time(position_.batches);
  const double rate = schedule_.at(time);
  const double loss = train_batch(rate, schedule_.momentum_at(time));
  require_finite("the loss", loss, (position_.batches - 1) / recipe_.grad_accum_steps);
  report_step(rate, loss);
}

double Trainer::train_batch(double rate, double momentum) {
  const Clock::time_point begin = Clock::now();
  const Batch& batch = loader_->next();
  StepSums sums;
  train_slices(batch, rate, momentum, sums);
  if (world_ != nullptr) {
    std::array numbers{sums.samples, sums.top1, sums.top5, sums.loss};
    world_->sum(numbers);
    sums = {numbers[0], numbers[1], numbers[2], numbers[3]};
  }
  ++position_.step;
  ++position_.batches;
  position_.epoch_sums.samples += static_cast<int64_t>(sums.samples);
  position_.epoch_sums.top1 += static_cast<int64_t>(sums.top1);
  position_.epoch_sums.top5 += static_cast<int64_t>(sums.top5);
  position_.epoch_sums.loss += sums.loss;
  position_.cost.train_images += batch.samples;
  position_.cost.train_seconds += seconds_since(begin);
  return sums.loss / sums.samples;
}

void Trainer::train_slices(const Batch& batch, double rate, double momentum, StepSums& sums) {
  const Part& part = parts_[part_];
  const int64_t image_floats = part.stage.image_size * part.stage.image_size * 3, classes = model_options_.num_classes;
  StepScalars scalars{.seed = static_cast<uint64_t>(recipe_.seed),
                      .step = position_.batches,
                      .update = position_.batches / recipe_.grad_accum_steps,
                      .updates = updates_,
                      .learning_rate = static_cast<float>(rate),
                      .momentum = static_cast<float>(momentum)};
  if (statistics_) statistics_->begin();
  TrainingStep* step = nullptr;
  int64_t done = 0;  // samples of those that the loader has prepared
  for (const BatchSlice& slice : own_slices(batch.samples)) {
    step = batch.samples == whole_batch() ? part.step.get() : part.last_steps.at(slice.size).get();
    std::copy_n(batch.images.floats() + done * image_floats, slice.size * image_floats, step->images());
    std::copy_n(batch.targets.floats() + done * classes, slice.size * classes, step->targets());
    scalars.samples = slice.size;
    scalars.first_sample = slice.first;
    step->run_slice(scalars);
    if (statistics_) statistics_->take(static_cast<double>(slice.size) / static_cast<double>(batch.samples));
    ClassificationSums hits;
    add_batch({step->logits(), static_cast<size_t>(slice.size * classes)},
              labels_of(batch).subspan(static_cast<size_t>(done), static_cast<size_t>(slice.size)), hits);
    sums.samples += static_cast<double>(slice.size);
    sums.top1 += static_cast<double>(hits.top1);
    sums.top5 += static_cast<double>(hits.top5);
    sums.loss += double{step->loss()} * static_cast<double>(slice.size);
    done += slice.size;
  }
  if (statistics_) statistics_->finish();
  step->update(scalars);
}

void Trainer::agree_to_stop() {
  if (world_ == nullptr) return;
  std::array asked{interrupted_here() ? 1.0 : 0.0, is_first() && out_of_time_here() ? 1.0 : 0.0};
  world_->sum(asked);
  agreed_interrupt_ = asked[0] > 0;
  agreed_time_ = asked[1] > 0;
}

void Trainer::report_step(double rate, double loss) const {
  if (!callbacks_.on_step_end) return;
  callbacks_.on_step_end({.epoch = position_.epoch,
                          .step = position_.step,
                          .batches = position_.batches,
                          .lr = rate,
                          .loss = position_.epoch_sums.mean_loss(),
                          .step_loss = loss,
                          .top1 = position_.epoch_sums.top1_share(),
                          .seconds = seconds_in_epoch(),
                          .reader_seconds = reader_seconds_in_epoch()});
}

Trainer::Progress Trainer::validate() {
  const Clock::time_point begin = Clock::now();
  const double reader_before = val_loader_ == nullptr ? 0 : val_loader_->wait_seconds();
  ClassificationSums sums;
  // Of the rank that has most; the others agree with it once more.
  const int64_t most = slice_of(val_->size(), ranks(), ranks() - 1).size;
  const int64_t steps = (most + batch_size_ - 1) / batch_size_;
  int64_t step = 0;
  val_outcomes_.clear();
  val_indices_.clear();
  inference_->fold();
  const auto visit = [&](const Batch& batch, std::span<const float> logits) {
    add_batch(logits, labels_of(batch), sums);
    append_outcomes(batch, logits, *own_val_, labels_of(batch), val_outcomes_);
    for (int64_t i = 0; i < batch.size; ++i) {
      val_indices_.push_back(first_own_val_ + batch.indices[static_cast<size_t>(i)]);
    }
    ++step;
    if (callbacks_.on_validation_step_end) {
      callbacks_.on_validation_step_end({.epoch = position_.epoch,
                                         .step = step,
                                         .steps = steps,
                                         .so_far = evaluation_of(sums),
                                         .seconds = seconds_since(begin),
                                         .reader_seconds = val_loader_->wait_seconds() - reader_before});
    }
    agree_to_stop();
    return !stop_asked();
  };
  if (val_loader_ != nullptr) {
    infer_epoch(*inference_, *val_loader_, model_options_.num_classes, Tta::none, visit);
  }
  for (; step < steps && !stop_asked(); ++step) agree_to_stop();
  position_.cost.val_seconds += seconds_since(begin);
  if (stop_asked() && step < steps) {
    position_.cost.val_images += sums.samples;
    return Progress::stopped;
  }
  if (world_ != nullptr) sums = gather_outcomes();
  position_.cost.val_images += sums.samples;
  warn_of_bad_images(val_loader_.get());
  if (sums.samples == 0) throw Error(fmt::format("data: none of the {} validation images can be read", val_->size()));
  val_result_ = evaluation_of(sums);
  val_batches_ = position_.batches;
  require_finite("the validation loss", val_result_->loss, updates_made());
  return Progress::finished;
}

ClassificationSums Trainer::gather_outcomes() {
  // What the network made of an image, whose name rank 0 knows.
  struct Outcome {
    int64_t index, rank;
    int32_t label, predicted;
    double confidence, loss;
  };
  std::vector<Outcome> own;
  for (size_t i = 0; i < val_outcomes_.size(); ++i) {
    const ImageOutcome& outcome = val_outcomes_[i];
    own.push_back({val_indices_[i], outcome.rank, outcome.label, outcome.predicted, outcome.confidence, outcome.loss});
  }
  ClassificationSums sums;
  val_outcomes_.clear();
  for (const Outcome& one : gather_all(*world_, std::span<const Outcome>(own))) {
    val_outcomes_.push_back({.image = val_->name(one.index),
                             .label = one.label,
                             .predicted = one.predicted,
                             .confidence = one.confidence,
                             .rank = one.rank,
                             .loss = one.loss});
    sums.add(val_outcomes_.back());
  }
  return sums;
}

void Trainer::finish_epoch() {
  require_finite_variables();
  warn_of_bad_images(loader_.get());
  EpochReport report{.epoch = position_.epoch,
                     .batches = position_.batches,
                     .lr = schedule_.at(schedule_time(position_.batches - 1)),
                     .train_loss = position_.epoch_sums.mean_loss(),
                     .train_top1 = position_.epoch_sums.top1_share(),
                     .val = val_of_weights(),
                     .best = false,
                     .seconds = seconds_in_epoch(),
                     .cost = cost_now()};
  if (report.val || val_ == nullptr) {
    const double score = report.val ? report.val->top1 : -report.train_loss;
    report.best = !position_.best || score > *position_.best;
    if (report.best) {
      position_.best = score;
      position_.best_epoch = position_.epoch;
      report.saved_best = !recipe_.save_best_above || score > *recipe_.save_best_above;
    }
    if (report.saved_best && is_first()) {
      save_model(kBestFile);
      if (report.val) write_predictions(folder_ / kPredictionsFile, train_->class_names(), val_outcomes_);
    }
  }
  if (callbacks_.on_epoch_end) callbacks_.on_epoch_end(report);
  ++position_.epoch;
  position_.step = 0;
  position_.epoch_sums = {};
  if (position_.offset > 0) {
    position_.offset = 0;
    position_.batches = std::min(position_.epoch * steps_per_epoch_, end_batch_);
    loader_.reset();
  }
  if (position_.epoch % recipe_.checkpoint_interval == 0 || complete()) {
    save();
    if (complete() && is_first()) states_.keep_newest();
  }
}

RunCost Trainer::cost_now() const {
  RunCost cost = position_.cost;
  cost.wall_seconds += seconds_since(begin_);
  cost.cpu_seconds += process_cpu_seconds() - cpu_seconds_at_begin_;
  cost.peak_bytes = std::max(cost.peak_bytes, peak_resident_bytes());
  return cost;
}

std::optional<Evaluation> Trainer::val_of_weights() const {
  return val_batches_ == position_.batches ? val_result_ : std::nullopt;
}

double Trainer::seconds_in_epoch() const { return seconds_since(epoch_begin_); }

void Trainer::warn(const std::string& text) const {
  if (callbacks_.on_warning) callbacks_.on_warning(text);
}

void Trainer::warn_of_bad_images(const Loader* loader) {
  for (const std::string& reason : of_all_ranks(loader == nullptr ? Lines() : loader->bad_images())) {
    if (bad_images_.insert(reason).second) warn(fmt::format("skipped {}", reason));
  }
  Lines damaged;
  for (const std::string& image : of_all_ranks(loader == nullptr ? Lines() : loader->damaged_images())) {
    if (damaged_images_.insert(image).second) damaged.push_back(image);
  }
  if (!damaged.empty()) warn(describe_damaged(damaged));
  if (disk_cache_ == nullptr) return;
  if (const std::string problem = disk_cache_->take_problem(); !problem.empty()) warn(problem);
}

Trainer::Lines Trainer::of_all_ranks(const Lines& lines) const {
  if (world_ == nullptr) return lines;
  Lines all;
  for (const std::string& text : world_->gather(fmt::format("{}", fmt::join(lines, "\n")))) {
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) all.push_back(line);
  }
  return all;
}

void Trainer::stop_for(const std::string& problem, int64_t updates) const {
  const std::string kept = saved_batches_
                               ? fmt::format("the state after step {} is kept in {}", *saved_batches_, folder_.string())
                               : "nothing was saved before";
  const std::string start = recipe_.initial_checkpoint.empty() ? "" : " and " + recipe_.initial_checkpoint;
  const std::string advice =
      updates > 0
          ? fmt::format("try a smaller learning rate than {}", *recipe_.lr)
          : fmt::format("no update was made before, so that it is not the learning rate; check mean, std{}", start);
  throw NumericError(fmt::format("{} after step {} (epoch {}, step {} of {}); {}; {}", problem, position_.batches,
                                 position_.epoch + 1, position_.step, steps_per_epoch_, kept, advice));
}

void Trainer::require_finite(std::string_view what, double value, int64_t updates) const {
  if (std::isnan(value)) stop_for(fmt::format("{} is not a number", what), updates);
  if (!std::isfinite(value)) stop_for(fmt::format("{} is {}", what, value), updates);
}

void Trainer::require_finite_variables() const {
  const std::optional<std::string> name = first_not_finite(variables_);
  if (name) stop_for(fmt::format("{} is not finite", *name), updates_made());
}

void Trainer::save() {
  require_finite_variables();
  saved_batches_ = position_.batches;
  if (!is_first()) return;
  TrainingPosition position = position_;
  position.whole_batch = whole_batch();
  position.cost = cost_now();
  states_.save(identity_, position, variables_);
  save_model(kLastFile);
}

void Trainer::save_model(const char* file_name) {
  record_.contents = contents_->contents();
  ModelCard card{.architecture = model_.name,
                 .network = network_of_checkpoint_,
                 .options = model_options_,
                 .preprocessing = preprocessing_,
                 .class_names = train_->class_names(),
                 .metrics = {{"batches", static_cast<double>(position_.batches)}},
                 .training = record_};
  if (const std::optional<Evaluation> val = val_of_weights()) {
    card.metrics["val_loss"] = val->loss;
    card.metrics["val_top1"] = val->top1;
    card.metrics["val_top5"] = val->top5;
  }
  write_model_file(folder_ / file_name, card, network_, recipe_.model_ema ? fmt::format("{}.", kAverageScope) : "",
                   variables_);
}

}  // namespace convoy
