// One step of training, and of inference, as programs.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/model.h"
#include "convoy/recipe.h"
#include "plan/passes.h"
#include "plan/program.h"

namespace convoy {

struct OptimizerOptions {
  Recipe::Optimizer kind = Recipe::Optimizer::sgd;
  float momentum = 0.9F;  // sgd, rmsprop, rmsproptf, muon
  bool nesterov = false;  // sgd; muon always has it
  float beta1 = 0.9F;     // adam, adamw, lamb, lion, and what muon leaves to adamw
  float beta2 = 0.999F;
  float eps = 1e-8F;
  float weight_decay = 0;
  bool decoupled = false;        // sgd, rmsprop, rmsproptf, lamb; of the others only one kind exists
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

// What the names of moving averages begin with: "ema.<name>".
inline constexpr std::string_view kAverageScope = "ema";

struct StepOptions {
  const Model* model = nullptr;
  ModelOptions model_options;
  int64_t batch_size = 1;
  int64_t image_size = 224;
  float label_smoothing = 0;
  OptimizerOptions optimizer;
  float clip_grad_norm = 0;           // 0: off
  int accumulate = 1;                 // batches whose mean gradient makes one update
  std::set<std::string> frozen = {};  // parameters that stay as they are
  Recipe::FreezeStats freeze_stats = Recipe::FreezeStats::frozen;
  // Parameters that have been frozen in the first updates of the run, and how many these are.
  std::set<std::string> thawed = {};
  int64_t thawed_after = 0;
  LookaheadOptions lookahead;
  double ema_decay = 0;  // 0: off
  bool exact = false;    // no approximate kernels (graph/op.h)
  std::set<std::string> disabled_passes;
};

// Forward, loss, backward and update. Variables: the model's parameters and states; "momentum/<parameter>",
// "moment1/..." and "moment2/..." of the optimizer; "gradient/..." (accumulation); "slow/<name>" (Lookahead) and
// "ema.<name>" for parameters and states.
class TrainingStep {
 public:
  // Plans the step and adds what it needs to `variables`, started from `seed`.
  TrainingStep(const StepOptions& options, Variables& variables, uint64_t seed);

  size_t arena_bytes() const { return batch_->arena_bytes(); }
  void bind(const Variables& variables, Buffer& arena);

  // To be filled before each run: {N, S, S, 3}, and probabilities {N, classes}.
  float* images() const { return batch_->data("images"); }
  float* targets() const { return batch_->data("targets"); }
  // Runs a batch, and after every `accumulate`-th the update; `step` counts from 0 without gaps.
  void run(const StepScalars& step) { execute(step, &Program::run); }
  void run_profiled(const StepScalars& step) { execute(step, &Program::run_profiled); }
  // Of the last batch.
  float loss() const { return *batch_->data("loss"); }
  const float* logits() const { return batch_->data("logits"); }

  const Program& program() const { return *batch_; }
  const std::vector<PassReport>& pass_reports() const { return pass_reports_; }
  // The graph as the model wrote it, before any pass.
  const std::string& plain_text() const { return plain_text_; }

 private:
  void execute(const StepScalars& step, void (Program::*run)(const StepScalars&));

  int accumulate_;
  std::unique_ptr<Program> batch_;
  std::unique_ptr<Program> update_;  // where gradients are accumulated
  Buffer update_arena_;
  std::vector<PassReport> pass_reports_;
  std::string plain_text_;
};

// Whether each batch norm of the network has more than one value a channel to train on: with one, as PyTorch says,
// there is nothing to normalise.
bool can_normalise(const Model& model, const ModelOptions& options, int64_t batch_size, int64_t image_size);

struct InferenceOptions {
  bool averaged = false;  // with the weights "ema.<name>" that a TrainingStep keeps
  bool exact = false;     // no approximate kernels (graph/op.h)
  bool prepared = false;  // prepare() will be called: the weights do not change
};

// Forward only, with running statistics.
class InferenceStep {
 public:
  InferenceStep(const Model& model, const ModelOptions& options, int64_t batch_size, int64_t image_size,
                Variables& variables, uint64_t seed, const InferenceOptions& inference = {});

  size_t arena_bytes() const { return program_->arena_bytes(); }
  void bind(const Variables& variables, Buffer& arena) { program_->bind(variables, arena); }

  // As Program::prepare().
  void prepare() { program_->prepare(); }

  int64_t image_size() const { return image_size_; }
  float* images() const { return program_->data("images"); }
  void run() { program_->run({}); }
  const float* logits() const { return program_->data("logits"); }

  Program& program() { return *program_; }

 private:
  int64_t image_size_;
  std::unique_ptr<Program> program_;
};

}  // namespace convoy
