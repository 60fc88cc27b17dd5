#include "train/benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "convoy/error.h"
#include "core/byte_size.h"
#include "inference/arena.h"

namespace convoy {
namespace {

std::string name_of(const StepOptions& options) {
  return fmt::format("{} at batch size {} and image size {}", options.model->name, options.batch_size,
                     options.image_size);
}

// What the ranks of a world do with their time.
struct Traffic {
  double seconds = 0, wait_seconds = 0;
  int64_t sent_bytes = 0;
  int steps = 0;
};

class TimedTraining : public TimedStep {
 public:
  // traffic: of the steps that are timed.
  TimedTraining(const BenchmarkOptions& options, Traffic& traffic)
      : options_(options.step),
        traffic_(traffic),
        timed_end_(kWarmUpSteps + options.steps),
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
    World* const world = options_.world;
    const auto begin = std::chrono::steady_clock::now();
    const double waited = world == nullptr ? 0 : world->wait_seconds();
    const int64_t sent = world == nullptr ? 0 : world->bytes_sent();
    profiled ? step_.run_profiled(scalars) : step_.run(scalars);
    if (++done_ <= kWarmUpSteps || done_ > timed_end_ || world == nullptr) return;
    traffic_.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    traffic_.wait_seconds += world->wait_seconds() - waited;
    traffic_.sent_bytes += world->bytes_sent() - sent;
    ++traffic_.steps;
  }

 private:
  const StepOptions& options_;
  Traffic& traffic_;
  const int64_t timed_end_;
  TrainingPlan plan_;
  TrainingStep& step_;
  Buffer arena_;
  int64_t done_ = 0;
};

// All ranks together: as many images as they have, in the time of the slowest.
void add_ranks(World& world, const Traffic& traffic, BenchmarkResult& result) {
  struct Rank {
    double median, best, seconds, wait_seconds, sent_bytes;
    int steps;
  };
  const Rank own{result.median_img_per_s,
                 result.best_img_per_s,
                 traffic.seconds,
                 traffic.wait_seconds,
                 static_cast<double>(traffic.sent_bytes),
                 traffic.steps};
  const std::vector<Rank> all = gather_all(world, own);
  const auto ranks = static_cast<double>(all.size());
  result.ranks = world.size();
  result.median_img_per_s = ranks * std::ranges::min(all, {}, &Rank::median).median;
  result.best_img_per_s = ranks * std::ranges::min(all, {}, &Rank::best).best;
  double seconds = 0, wait_seconds = 0, steps = 0;
  for (const Rank& rank : all) {
    seconds += rank.seconds;
    wait_seconds += rank.wait_seconds;
    result.sent_bytes_a_step += rank.sent_bytes;
    steps += rank.steps;
  }
  result.wait_share = wait_seconds / seconds;
  result.sent_bytes_a_step /= steps;
}

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
  Traffic traffic;
  BenchmarkResult result = measure_speed([&] { return std::make_unique<TimedTraining>(options, traffic); }, speed);
  if (step.world != nullptr) add_ranks(*step.world, traffic, result);
  return result;
}

}  // namespace convoy
