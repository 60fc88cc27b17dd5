#include "train/benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "core/process.h"
#include "core/random.h"
#include "graph/work.h"
#include "kernels/peak.h"
#include "train/arena.h"

namespace convoy {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::vector<BenchmarkResult::Part> parts_of(const Program& program, int runs) {
  std::vector<BenchmarkResult::Part> parts;
  const Graph& graph = program.graph();
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    std::string shape;
    for (const ValueId id : node.outputs) {
      if (shape.empty() && id != kNoValue) shape = graph.value(id).type.shape.to_string();
    }
    std::string op(node.op->name());
    if (const std::string attributes = node.op->attributes(); !attributes.empty()) op += " " + attributes;
    parts.push_back({std::move(op), program.reports()[i].kernel, std::move(shape), program.reports()[i].seconds / runs,
                     multiply_adds(graph, node)});
  }
  return parts;
}

// What is timed: one of the two kinds of step.
class Subject {
 public:
  explicit Subject(const BenchmarkOptions& options) : options_(options) {
    const StepOptions& step = options.step;
    if (options.train) {
      training_ = std::make_unique<TrainingStep>(step, variables_, 0);
    } else {
      inference_ = std::make_unique<InferenceStep>(*step.model, step.model_options, step.batch_size, step.image_size,
                                                   variables_, 0, InferenceOptions{.prepared = true});
    }
    const size_t arena = program().arena_bytes();
    planned_bytes_ = arena + variables_.bytes();
    arena_ = make_arena(arena, fmt::format("{} at batch size {}", step.model->name, step.batch_size));
    if (training_) {
      training_->bind(variables_, arena_);
    } else {
      inference_->bind(variables_, arena_);
      inference_->prepare();
    }
    images_.resize(static_cast<size_t>(step.batch_size * step.image_size * step.image_size * 3));
    RandomStream random(0, "benchmark images");
    for (float& x : images_) x = random.uniform(-1.7F, 1.7F);
  }

  const Program& program() const { return training_ ? training_->program() : inference_->program(); }
  size_t planned_bytes() const { return planned_bytes_; }

  void run(bool profiled) {
    if (!training_) {
      std::copy(images_.begin(), images_.end(), inference_->images());
      profiled ? inference_->program().run_profiled({}) : inference_->run();
      return;
    }
    std::copy(images_.begin(), images_.end(), training_->images());
    const int64_t classes = options_.step.model_options.num_classes;
    std::fill_n(training_->targets(), options_.step.batch_size * classes, 0.0F);
    for (int64_t n = 0; n < options_.step.batch_size; ++n) training_->targets()[n * classes + n % classes] = 1;
    const StepScalars step{.seed = 0, .step = done_, .update = done_, .learning_rate = 0.01F};
    ++done_;
    profiled ? training_->run_profiled(step) : training_->run(step);
  }

 private:
  const BenchmarkOptions& options_;
  Variables variables_;
  std::unique_ptr<TrainingStep> training_;
  std::unique_ptr<InferenceStep> inference_;
  Buffer arena_;
  size_t planned_bytes_ = 0;
  std::vector<float> images_;
  int64_t done_ = 0;
};

}  // namespace

BenchmarkResult run_benchmark(const BenchmarkOptions& options) {
  BenchmarkResult result;
  const double start = now();
  Subject subject(options);
  subject.run(false);
  result.first_step_s = now() - start;
  for (int i = 0; i < 2; ++i) subject.run(false);

  std::vector<double> seconds;
  for (int i = 0; i < options.steps; ++i) {
    const double before = now();
    subject.run(false);
    seconds.push_back(now() - before);
  }
  std::sort(seconds.begin(), seconds.end());
  const auto batch = static_cast<double>(options.step.batch_size);
  const size_t middle = seconds.size() / 2;
  const double median = seconds.size() % 2 == 1 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2;
  result.median_img_per_s = batch / median;
  result.best_img_per_s = batch / seconds.front();
  result.planned_bytes = subject.planned_bytes();
  result.peak_rss_bytes = static_cast<size_t>(peak_resident_bytes());

  const int64_t operations = 2 * multiply_adds(subject.program().graph());
  result.peak_share = static_cast<double>(operations) / median / kernels::measure_peak();
  if (options.profile) {
    for (int i = 0; i < options.steps; ++i) subject.run(true);
    result.parts = parts_of(subject.program(), options.steps);
  }
  return result;
}

}  // namespace convoy
