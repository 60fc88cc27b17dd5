// One step of inference, as a program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "convoy/model.h"
#include "convoy/precision.h"
#include "plan/batch_program.h"
#include "plan/host_tensor.h"
#include "plan/reparameterise.h"

namespace convoy {

// What the names of moving averages begin with: "ema.<name>".
inline constexpr std::string_view kAverageScope = "ema";

struct InferenceOptions {
  bool averaged = false;  // with the weights "ema.<name>" that training keeps
  bool exact = false;     // no approximate kernels (convoy/kernel.h)
  Precision precision = Precision::fp32;
  bool prepared = false;  // prepare() will be called: the weights do not change
  bool folded = false;    // norms and branches are folded into convolutions by fold(), into weights of the step's own
};

// Forward only, with running statistics.
class InferenceStep {
 public:
  InferenceStep(const Model& model, const ModelOptions& options, int64_t batch_size, int64_t image_size,
                Variables& variables, uint64_t seed, const InferenceOptions& inference = {});

  size_t arena_bytes() const { return program_->arena_bytes(); }
  // Of weights of its own.
  size_t folded_bytes() const { return folded_.bytes(); }
  void bind(const Variables& variables, Buffer& arena);

  // Of a step that folds: to be called before it runs, and again when the variables have changed.
  void fold();

  // As Program::prepare().
  void prepare() { program_->prepare(); }
  void prepare(const WeightSource& weights) { program_->prepare(weights); }

  int64_t image_size() const { return image_size_; }
  // To be filled before each run: {N, S, S, 3}.
  float* images() const { return images_.values().data(); }
  void run() { execute(&BatchProgram::run); }
  void run_profiled() { execute(&BatchProgram::run_profiled); }
  // Of the last run: {N, classes}.
  const float* logits() const { return logits_.values().data(); }

  const BatchProgram& program() const { return *program_; }

 private:
  void execute(void (BatchProgram::*run)(const StepScalars&));

  int64_t image_size_;
  std::optional<Reparameterised> reparameterised_;
  const Variables* variables_ = nullptr;
  Variables folded_;
  std::unique_ptr<BatchProgram> program_;
  HostTensor images_, logits_;
};

}  // namespace convoy
