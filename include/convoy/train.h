// Training a classifier on a folder of images.
//
// Threads: callbacks are called by the thread that called train(). Runs take turns at the process's threads, unless
// their recipes give them some of their own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "convoy/evaluation.h"
#include "convoy/export_macro.h"
#include "convoy/recipe.h"

namespace convoy {

// What a run has taken so far, over all the times that it was resumed. Steps that a crash undid are not counted.
struct RunCost {
  double wall_seconds = 0;
  double cpu_seconds = 0;    // of all threads of the process, the system's work for it included
  double train_seconds = 0;  // of wall_seconds, in training steps, waiting for images included
  int64_t train_images = 0;  // in those steps
  double val_seconds = 0;    // of wall_seconds, in validations
  int64_t val_images = 0;
  int64_t peak_bytes = 0;  // the most memory that the process had in use
};

// What the steps compute again so that they need less memory, what costs little anyway and more where it must be
// (Recipe::memory); results are the same to the bit.
struct RepeatedWork {
  int nodes = 0;           // of the graph; 0: everything is kept
  double share = 0;        // of the work of a step without them, as estimated
  size_t saved_bytes = 0;  // of planned memory
};

struct TrainStart {
  std::filesystem::path folder;
  Recipe recipe;  // with everything settled that was left open: learning rate, image size, experiment
  std::vector<std::string> class_names;
  // The folders or archives that the images are in: "photos/train", "0.2 of photos".
  std::string train_source;
  std::string val_source;
  int64_t train_images = 0;
  int64_t val_images = 0;         // 0: there are none
  int64_t batch_size = 0;         // the recipe's, or all images where they are fewer
  std::string batch_size_reason;  // why, and the learning rate that goes with it, where the recipe left it open
  int64_t steps_per_epoch = 0;
  int64_t parameters = 0;         // trained numbers, in the run's last epoch
  int64_t frozen_parameters = 0;  // that the recipe's freeze keeps, for the whole run or up to unfreeze-after
  std::string initial_weights;    // one line on what the initial checkpoint gave; empty without one
  int64_t multiply_adds = 0;      // of the network on one image
  size_t planned_bytes = 0;       // of weights, optimizer and activations
  RepeatedWork repeated;          // of the step that does most of it
  // Where the run begins; past 0 when it is resumed.
  int64_t first_epoch = 0;
  int64_t first_step = 0;
  int64_t first_batch = 0;  // the same, counted over all epochs
};

// Before the first step of an epoch, or of what a resumed run has left of it.
struct EpochStart {
  int64_t epoch = 0;  // from 0
  int64_t step = 0;   // done in this epoch
  int64_t steps = 0;  // that this epoch has; fewer than others in one that max-updates cuts short
  double lr = 0;      // of its first step
  // Epochs that follow, each counted as its images' pixels against this one's: what is left in epochs like this.
  double later_epochs = 0;
  // As progressive learning has them now.
  int64_t image_size = 0;
  std::optional<double> drop;  // unset: the network's own
  double mixup = 0;
  std::string aa;
  bool frozen = false;  // what the recipe freezes is
};

// After a step; means are over the images of the epoch so far, times are in seconds since the epoch began here.
struct StepReport {
  int64_t epoch = 0;    // from 0
  int64_t step = 0;     // done in this epoch
  int64_t batches = 0;  // done in all epochs
  double lr = 0;
  double loss = 0;       // mean
  double step_loss = 0;  // of this step
  double top1 = 0;       // mean, on the augmented images
  double seconds = 0;
  double reader_seconds = 0;  // of which the step waited for images
};

struct EpochReport {
  int64_t epoch = 0;    // from 0
  int64_t batches = 0;  // done in all epochs
  double lr = 0;        // of its last step
  double train_loss = 0;
  double train_top1 = 0;
  std::optional<Evaluation> val;
  bool best = false;
  bool saved_best = false;  // best, and above the recipe's save-best-above: best.safetensors is of this epoch
  double seconds = 0;
  RunCost cost;
};

// Why a run ended; everything is saved. Those that were interrupted or out of time can be resumed.
enum class TrainEnding : uint8_t {
  finished,
  interrupted,  // by the stop flag
  out_of_time,  // after the recipe's `time`
  no_progress,  // for as many epochs as the recipe has patience
};

struct TrainResult {
  TrainEnding ending = TrainEnding::finished;
  std::filesystem::path folder;
  int64_t epochs = 0;             // finished in all
  std::optional<Evaluation> val;  // of the last validation of this call
  std::optional<double> best;     // greatest top1 of all validations, or least training loss where there are none
  int64_t best_epoch = 0;         // from 0
  RunCost cost;
};

// What a program may want to hear of; each may be empty. What they throw ends the run; setting train()'s stop flag ends
// it in order.
struct TrainCallbacks {
  std::function<void(const TrainStart&)> on_train_begin;
  std::function<void(const EpochStart&)> on_epoch_begin;
  std::function<void(const StepReport&)> on_step_end;
  std::function<void(const ValidationStepReport&)> on_validation_step_end;
  std::function<void(const EpochReport&)> on_epoch_end;
  // Once everything is saved, also where the run was stopped; not after an error.
  std::function<void(const TrainResult&)> on_train_end;
  // Something that does not stop the run but that a user should know: an image that was skipped, a damaged state.
  std::function<void(const std::string&)> on_warning;
};

// Trains as the recipe says. The folder <output>/<experiment> then holds recipe.toml, command.txt, best.safetensors and
// last.safetensors (model files for Classifier), predictions.csv (what the best one made of every validation image),
// and the state to resume from. The same recipe, images and instruction set give the same weights, bit for bit, for any
// number of threads and however often the run was stopped and resumed.
//
// stop: when it becomes true, the step at hand is finished, everything is saved, and the result says so.
// command: how the run was started, for command.txt.
//
// Throws UsageError for a recipe that cannot work, and Error for images that cannot be read, a batch that does not fit
// into memory (before the first step), a loss that is not finite (the last saved state stays), a failing disk.
CONVOY_API TrainResult train(const Recipe& recipe, const TrainCallbacks& callbacks = {},
                             const std::atomic<bool>* stop = nullptr, const std::string& command = "");

}  // namespace convoy
