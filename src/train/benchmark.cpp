#include "train/benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "convoy/error.h"
#include "core/byte_size.h"
#include "inference/arena.h"

namespace convoy {
namespace {

std::string name_of(const StepOptions& options) {
  return fmt::format("{} at batch size {} and image size {}", options.model->name, options.batch_size,
                     options.image_size);
}

class TimedTraining : public TimedStep {
 public:
  explicit TimedTraining(const BenchmarkOptions& options)
      : options_(options.step),
        plan_(plan_training(options_, options.memory)),
        step_(*plan_.step),
        arena_(make_arena(step_.arena_bytes(), name_of(options_))) {
    step_.bind(plan_.variables, arena_);
  }

  std::vector<ProgramRuns> programs() const override { return {{&step_.program()}}; }
  size_t planned_bytes() const override { return plan_.bytes(); }
  void run(const std::vector<float>& images, bool profiled) override {
    std::ranges::copy(images, step_.images());
    const int64_t classes = options_.model_options.num_classes;
    std::fill_n(step_.targets(), options_.batch_size * classes, 0.0F);
    for (int64_t n = 0; n < options_.batch_size; ++n) step_.targets()[n * classes + n % classes] = 1;
    const StepScalars scalars{.seed = 0, .step = done_, .update = done_, .learning_rate = 0.01F};
    ++done_;
    profiled ? step_.run_profiled(scalars) : step_.run(scalars);
  }

 private:
  const StepOptions& options_;
  TrainingPlan plan_;
  TrainingStep& step_;
  Buffer arena_;
  int64_t done_ = 0;
};

}  // namespace

TrainingPlan plan_training(const StepOptions& options, std::optional<int64_t> memory) {
  TrainingPlan plan;
  plan.step = std::make_unique<TrainingStep>(options, plan.variables, 0);
  if (!memory) return plan;
  const auto variables = static_cast<int64_t>(plan.variables.bytes());
  if (plan.step->fit(static_cast<size_t>(std::max<int64_t>(*memory - variables, 0)))) return plan;
  const int64_t smallest = variables + static_cast<int64_t>(plan.step->smallest_arena());
  throw MemoryError(fmt::format("memory: expected at least {} for {}, got {}; use a smaller batch or smaller images",
                                round_byte_size_up(smallest), name_of(options), byte_size_text(*memory)));
}

BenchmarkResult run_benchmark(const BenchmarkOptions& options) {
  const StepOptions& step = options.step;
  const SpeedOptions speed{.batch_size = step.batch_size,
                           .image_size = step.image_size,
                           .steps = options.steps,
                           .layers = options.layers,
                           .precision = step.precision};
  if (!options.train) return measure_inference(*step.model, step.model_options, speed);
  return measure_speed([&] { return std::make_unique<TimedTraining>(options); }, speed);
}

}  // namespace convoy
