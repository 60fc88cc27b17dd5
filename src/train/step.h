// One step of training, as a program.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "convoy/model.h"
#include "convoy/precision.h"
#include "convoy/recipe.h"
#include "convoy/train.h"
#include "core/world.h"
#include "plan/host_tensor.h"
#include "plan/passes.h"
#include "plan/program.h"
#include "plan/recompute.h"

namespace convoy {

// An optimizer with its settings; which of them it has, convoy/optimizer.h tells.
struct OptimizerOptions {
  std::string name = "sgd";
  float momentum = 0.9F;
  bool nesterov = false;
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float eps = 1e-8F;
  float weight_decay = 0;
  bool decoupled = false;        // of optimizers that know both kinds of decay
  bool decay_vectors = true;     // false: one-dimensional parameters (norms, biases) do not decay, as in timm
  float norm_bias_lr_scale = 1;  // factor of the learning rate, but not of the decay, of the norms' biases
  double layer_decay = 1;        // factor of the learning rate from each layer to the one before it, as timm's
  double head_lr_scale = 1;      // factor of the learning rate of the last linear layer
};

// Lookahead (Zhang et al., arXiv 1907.08610) as airbench94 has it: after every `every`-th update t of T, the slow
// weights become slow + (1 - decay^every (t / T)^3) (weights - slow), and the weights become the slow ones; after the
// last update the slow ones stay and the weights become those. Running statistics are treated as the weights are.
struct LookaheadOptions {
  int64_t every = 0;  // 0: off
  double decay = 0.95;
};

struct StepOptions {
  const Model* model = nullptr;
  ModelOptions model_options;
  int64_t batch_size = 1;
  int64_t image_size = 224;
  std::string loss = "cross-entropy";  // one of loss_names()
  float label_smoothing = 0;
  OptimizerOptions optimizer;
  float clip_grad_norm = 0;  // 0: off
  int accumulate = 1;        // batches whose mean gradient makes one update
  // A batch is computed in slices: by the ranks of a world, each one or several in turn. This step is one's.
  World* world = nullptr;
  int slices = 1;                     // of this rank
  double share = 1;                   // of the batch's samples, that this slice has
  bool sync_batch_norm = false;       // the statistics of batch norms are those of all ranks together
  std::set<std::string> frozen = {};  // parameters that stay as they are
  Recipe::FreezeStats freeze_stats = Recipe::FreezeStats::frozen;
  // Parameters that have been frozen in the first updates of the run, and how many these are.
  std::set<std::string> thawed = {};
  int64_t thawed_after = 0;
  LookaheadOptions lookahead;
  double ema_decay = 0;  // 0: off
  bool exact = false;    // no approximate kernels (convoy/kernel.h)
  Precision precision = Precision::fp32;
  // What is computed again whatever memory there is, as a share of the step's work, where the arena is not small
  // anyway.
  double repeat_work = 0.025;
  std::set<std::string> disabled_passes;
};

// Forward, loss, backward and update. Variables: the model's parameters and states; what the optimizer keeps, such as
// "momentum/<parameter>"; "gradient/..." (accumulation); "slow/<name>" (Lookahead) and "ema.<name>" for parameters and
// states.
class TrainingStep {
 public:
  // Plans the step and adds what it needs to `variables`, started from `seed`.
  TrainingStep(const StepOptions& options, Variables& variables, uint64_t seed);

  size_t arena_bytes() const { return batch_->arena_bytes(); }
  // Plans anew, with the same results to the bit, so that the arena has at most so many bytes: more of the values that
  // the backward pass reads are computed again where they cannot be kept. To be called before bind(); false, and
  // nothing is changed, where no way is found.
  bool fit(size_t arena_bytes);
  // The least for which it finds one.
  size_t smallest_arena() const;
  // What is computed again as it is planned now.
  const RepeatedWork& repeated() const { return repeated_; }
  void bind(const Variables& variables, Buffer& arena);

  // To be filled before each run: {N, S, S, 3}, and probabilities {N, classes}.
  float* images() const { return images_.values().data(); }
  float* targets() const { return targets_.values().data(); }
  // Runs a batch, and after every `accumulate`-th the update; `step` counts from 0 without gaps.
  void run(const StepScalars& step) {
    run_slice(step);
    update(step);
  }
  void run_profiled(const StepScalars& step) {
    execute_slice(step, &Program::run_profiled);
    execute_update(step, &Program::run_profiled);
  }
  // The two halves of this, for slices that are computed one after another, of which the last one's step updates. The
  // running statistics of batch norms are then the caller's to average (train/slices.h).
  void run_slice(const StepScalars& step) { execute_slice(step, &Program::run); }
  void update(const StepScalars& step) { execute_update(step, &Program::run); }
  // Of the last batch.
  float loss() const { return loss_.values().front(); }
  const float* logits() const { return logits_.values().data(); }

  const Program& program() const { return *batch_; }
  const std::vector<PassReport>& pass_reports() const { return pass_reports_; }
  // The variables that the forward pass changes: running statistics.
  const std::vector<std::string>& statistics() const { return statistics_; }
  // The graph as the model wrote it, before any pass.
  const std::string& plain_text() const { return plain_text_; }

 private:
  using Run = void (Program::*)(const StepScalars&);

  void execute_slice(const StepScalars& step, Run run);
  void execute_update(const StepScalars& step, Run run);

  void plan(Recomputation recomputed);

  int accumulate_;
  Graph whole_;             // the step with all that its backward pass reads kept
  size_t whole_bytes_ = 0;  // of its arena
  ProgramOptions program_options_;
  RepeatedWork repeated_;
  std::unique_ptr<Program> batch_;
  std::unique_ptr<Program> update_;  // where gradients are accumulated
  Buffer update_arena_;
  HostTensor images_, targets_, loss_, logits_;
  std::vector<std::string> statistics_;
  std::vector<PassReport> pass_reports_;
  std::string plain_text_;
};

// Whether each batch norm of the network has more than one value a channel to train on: with one, as PyTorch says,
// there is nothing to normalise.
bool can_normalise(const Model& model, const ModelOptions& options, int64_t batch_size, int64_t image_size);

}  // namespace convoy
