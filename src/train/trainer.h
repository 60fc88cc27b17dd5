// A training run from its first step to its last.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "convoy/find_lr.h"
#include "convoy/model.h"
#include "convoy/train.h"
#include "core/buffer.h"
#include "core/process.h"
#include "core/world.h"
#include "data/loader.h"
#include "inference/inference_step.h"
#include "inference/metrics.h"
#include "inference/model_file.h"
#include "inference/training_record.h"
#include "plan/variables.h"
#include "train/schedule.h"
#include "train/slices.h"
#include "train/stages.h"
#include "train/state_file.h"
#include "train/step.h"

namespace convoy {

// train() on a rank of a world; without one, alone. Rank 0's has the callbacks and writes the run folder; what the
// others return says how they ended. Who catches what this throws tells the world (World::fail).
TrainResult train_in_world(const Recipe& recipe, const TrainCallbacks& callbacks, const std::atomic<bool>* stop,
                           const std::string& command, World* world);

class Trainer {
 public:
  // Opens the images, plans the step and makes sure that it fits into memory. Writes nothing. Throws as train().
  Trainer(const Recipe& recipe, const TrainCallbacks& callbacks, const std::atomic<bool>* stop, World* world = nullptr);

  // command: for command.txt. Throws as train().
  TrainResult run(const std::string& command);
  // Of a run that is not begun; writes nothing. Throws as find_learning_rate().
  LearningRateCurve sweep(const LearningRateSweep& sweep,
                          const std::function<void(const LearningRatePoint&)>& on_point);

 private:
  enum class Progress : uint8_t { finished, stopped };
  // Of a batch, summed over ranks.
  struct StepSums {
    double samples = 0, top1 = 0, top5 = 0;
    double loss = 0;
  };
  // A stage of the run as it is carried out.
  struct Part {
    Stage stage;
    Preprocessing preprocessing;  // of its training images
    std::unique_ptr<TrainingStep> step;
    std::map<int64_t, std::unique_ptr<TrainingStep>> last_steps;  // of slices of the last batch, by their size
  };

  void settle_precision();
  void open_data();
  void settle_slices();
  // Of the validation images those that this rank looks at.
  void take_val_share();
  void plan();
  // batch: samples of the whole batch, of which the step has a slice.
  StepOptions step_options(const Stage& stage, int64_t slice_size, int64_t batch) const;
  int64_t whole_batch() const { return batch_size_ * slices_; }
  // Those slices of a batch that this process computes.
  std::vector<BatchSlice> own_slices(int64_t batch) const;
  // Settles how many images the last batch of an epoch has.
  void settle_last_batch();
  void plan_parts();
  std::vector<TrainingStep*> steps() const;  // of all parts
  // Of a moving average of the weights that is mostly of those of long before.
  void warn_of_short_average() const;
  // Bytes that the process may still take; below 0 where it has too many already.
  int64_t memory_left() const;
  // What of them is left for an arena beside images that are prepared ahead and folded weights.
  int64_t arena_left(int64_t batch_size, size_t folded_bytes) const;
  // Whether a step of that batch would fit; whole: without computing anything again.
  bool fits(int64_t batch_size, bool whole);
  // Where the recipe leaves it open.
  void settle_batch_size();
  void choose_batch_size();
  void agree_on_batch_size(bool begun);
  std::string explain_rate(bool given) const;
  // Has the steps compute again what does not fit, and returns the bytes of the arena of all. Throws MemoryError where
  // they cannot be made to fit.
  size_t fit_into_memory();
  RepeatedWork repeated_work() const;
  // left: what arena_left() says.
  [[noreturn]] void refuse(int64_t left);
  // Advice that names a batch that would fit.
  std::string smaller_batch();
  std::unique_ptr<Loader> make_train_loader() const;
  std::unique_ptr<Loader> make_val_loader() const;
  LoaderOptions loader_options() const;
  // Throws Error where other ranks have another recipe, other images or another program.
  void check_ranks() const;
  // What `other`, the lines of a rank, has otherwise than rank 0; empty: nothing.
  std::string first_difference(const std::string& first, const std::string& other, int rank) const;
  // Has all ranks begin as rank 0 does.
  void share_start();
  void resume();
  // Where the state was saved by a run with batches of another size.
  void change_batch();
  // Of the epoch at hand.
  int64_t steps_of_epoch() const;
  // Throws UsageError unless the run can go on from where it stands.
  void check_position() const;
  void make_folder();
  // Sets the weights that depend on the images.
  void start_from_images();
  void load_initial_checkpoint();
  void report_start() const;

  Progress run_epoch();
  // Makes the stage of the epoch at hand the one that is trained.
  void begin_stage();
  void report_epoch_start() const;
  void run_step();
  // Trains on the next batch and counts it; returns its loss.
  double train_batch(double rate, double momentum);
  void train_slices(const Batch& batch, double rate, double momentum, StepSums& sums);
  void report_step(double rate, double loss) const;
  Progress validate();
  // Puts the outcomes of all ranks together, in the order of the images.
  ClassificationSums gather_outcomes();
  void finish_epoch();

  bool is_first() const { return world_ == nullptr || world_->is_first(); }
  int64_t rank() const { return world_ == nullptr ? 0 : world_->rank(); }
  int64_t ranks() const { return world_ == nullptr ? 1 : world_->size(); }
  // Asks all ranks whether one wants to stop; alone, there is nothing to agree on.
  void agree_to_stop();
  bool interrupted() const { return world_ != nullptr ? agreed_interrupt_ : interrupted_here(); }
  bool interrupted_here() const { return stop_ != nullptr && stop_->load(); }
  bool out_of_time() const { return world_ != nullptr ? agreed_time_ : out_of_time_here(); }
  bool out_of_time_here() const;
  bool stop_asked() const { return interrupted() || out_of_time(); }
  bool impatient() const;
  // Whether there is nothing left to train.
  bool complete() const;
  TrainEnding ending(Progress progress) const;
  // What the schedule counts in, at a batch of the run.
  int64_t schedule_time(int64_t batch) const;
  RunCost cost_now() const;
  // The last validation if it was of the weights as they are.
  std::optional<Evaluation> val_of_weights() const;
  double seconds_in_epoch() const;
  double reader_seconds_in_epoch() const { return loader_->wait_seconds() - reader_seconds_before_; }
  void warn(const std::string& text) const;
  // loader: null where this rank has none.
  void warn_of_bad_images(const Loader* loader);
  using Lines = std::vector<std::string>;
  Lines of_all_ranks(const Lines& lines) const;
  int64_t updates_made() const { return position_.batches / recipe_.grad_accum_steps; }
  // Throws Error that says where the run stopped and what is saved. updates: made before what is wrong was computed.
  [[noreturn]] void stop_for(const std::string& problem, int64_t updates) const;
  void require_finite(std::string_view what, double value, int64_t updates) const;
  void require_finite_variables() const;
  // The state to resume from, and the weights.
  void save();
  void save_model(const char* file_name);

  Recipe recipe_;
  const TrainCallbacks& callbacks_;
  const std::atomic<bool>* stop_;
  World* world_;  // null: this process is alone
  bool agreed_interrupt_ = false, agreed_time_ = false;
  std::shared_ptr<const Model> network_of_checkpoint_;
  const Model& model_;
  ModelOptions model_options_;
  bool numbered_;  // the recipe did not name the experiment
  std::filesystem::path folder_;
  DatasetPtr train_, val_;                 // val_ null: there are none
  DatasetPtr own_val_;                     // this rank's share of them; null: it has none
  int64_t first_own_val_ = 0;              // where in val_ it begins
  std::string train_source_, val_source_;  // where they are, for messages
  Preprocessing preprocessing_;
  std::set<std::string> frozen_;
  std::string initial_weights_;  // what the initial checkpoint gave
  RunIdentity identity_;
  TrainingRecord record_;
  std::optional<ContentScan> contents_;  // of record_, while the run goes on
  int64_t slices_ = 1;                   // of a batch
  int64_t batch_size_ = 0;               // of a slice
  std::string batch_size_reason_;        // where the run chose it
  int64_t last_batch_ = 0;               // samples of the smaller batch that ends an epoch; 0: there is none
  int64_t steps_per_epoch_ = 0;
  int64_t updates_ = 0;    // of the whole run
  int64_t end_batch_ = 0;  // of the whole run
  Schedule schedule_;

  Variables variables_;
  std::vector<Part> parts_;
  size_t part_ = 0;                            // of the epoch at hand
  std::optional<SliceStatistics> statistics_;  // where a process computes several slices
  Graph network_{Mode::inference};             // of one image, with the weights that are validated and saved
  std::unique_ptr<InferenceStep> inference_;   // the same, folded
  Buffer arena_;                               // of all steps
  size_t cache_bytes_ = 0;                     // of decoded images to train on, and of those to validate with
  PixelStorePtr pixels_;                       // of train_
  DiskCachePtr disk_cache_;                    // of all
  std::unique_ptr<Loader> loader_, val_loader_;

  StateFiles states_;
  TrainingPosition position_;
  std::optional<int64_t> saved_batches_;    // position_.batches of the newest state on disk
  std::optional<Evaluation> val_result_;    // of the last validation
  int64_t val_batches_ = -1;                // position_.batches at it
  std::vector<ImageOutcome> val_outcomes_;  // of the same
  std::vector<int64_t> val_indices_;        // of their images
  std::set<std::string> bad_images_;        // that were warned of
  std::set<std::string> damaged_images_;    // likewise
  // position_.cost holds the wall and processor time of before this call of train(), the rest up to now.
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  double cpu_seconds_at_begin_ = process_cpu_seconds();
  std::chrono::steady_clock::time_point epoch_begin_;
  double reader_seconds_before_ = 0;  // of loader_, when the epoch began
};

}  // namespace convoy
