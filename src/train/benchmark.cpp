#include "train/benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "inference/arena.h"

namespace convoy {
namespace {

class TimedTraining : public TimedStep {
 public:
  explicit TimedTraining(const StepOptions& options)
      : options_(options),
        step_(options, variables_, 0),
        arena_(make_arena(step_.arena_bytes(),
                          fmt::format("{} at batch size {}", options.model->name, options.batch_size))) {
    step_.bind(variables_, arena_);
  }

  std::vector<ProgramRuns> programs() const override { return {{&step_.program()}}; }
  size_t planned_bytes() const override { return step_.arena_bytes() + variables_.bytes(); }
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
  Variables variables_;
  TrainingStep step_;
  Buffer arena_;
  int64_t done_ = 0;
};

}  // namespace

BenchmarkResult run_benchmark(const BenchmarkOptions& options) {
  const StepOptions& step = options.step;
  const SpeedOptions speed{
      .batch_size = step.batch_size, .image_size = step.image_size, .steps = options.steps, .layers = options.layers};
  if (!options.train) return measure_inference(*step.model, step.model_options, speed);
  return measure_speed([&] { return std::make_unique<TimedTraining>(step); }, speed);
}

}  // namespace convoy
