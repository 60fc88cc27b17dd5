#include "inference/speed.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/process.h"
#include "core/random.h"
#include "graph/work.h"
#include "inference/arena.h"
#include "inference/inference_step.h"
#include "kernels/peak.h"

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
    if (const std::string attributes = to_string(node.op->attributes()); !attributes.empty()) op += " " + attributes;
    parts.push_back({std::move(op), program.reports()[i].kernel, std::move(shape), program.reports()[i].seconds / runs,
                     multiply_adds(graph, node)});
  }
  return parts;
}

class TimedInference : public TimedStep {
 public:
  TimedInference(const Model& model, const ModelOptions& model_options, const SpeedOptions& options)
      : step_(model, model_options, options.batch_size, options.image_size, variables_, 0, {.prepared = true}),
        arena_(make_arena(step_.arena_bytes(), fmt::format("{} at batch size {}", model.name, options.batch_size))) {
    step_.bind(variables_, arena_);
    step_.prepare();
  }

  const Program& program() const override { return step_.program(); }
  size_t planned_bytes() const override { return step_.arena_bytes() + variables_.bytes(); }
  void run(const std::vector<float>& images, bool profiled) override {
    std::ranges::copy(images, step_.images());
    profiled ? step_.run_profiled() : step_.run();
  }

 private:
  Variables variables_;
  InferenceStep step_;
  Buffer arena_;
};

}  // namespace

BenchmarkResult measure_speed(const std::function<std::unique_ptr<TimedStep>()>& plan, const SpeedOptions& options) {
  BenchmarkResult result;
  const double start = now();
  const std::unique_ptr<TimedStep> step = plan();
  std::vector<float> images(static_cast<size_t>(options.batch_size * options.image_size * options.image_size * 3));
  RandomStream random(0, "benchmark images");
  for (float& x : images) x = random.uniform(-1.7F, 1.7F);
  step->run(images, false);
  result.first_step_s = now() - start;
  for (int i = 0; i < 2; ++i) step->run(images, false);

  std::vector<double> seconds;
  for (int i = 0; i < options.steps; ++i) {
    const double before = now();
    step->run(images, false);
    seconds.push_back(now() - before);
  }
  std::sort(seconds.begin(), seconds.end());
  const auto batch = static_cast<double>(options.batch_size);
  const size_t middle = seconds.size() / 2;
  const double median = seconds.size() % 2 == 1 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2;
  result.median_img_per_s = batch / median;
  result.best_img_per_s = batch / seconds.front();
  result.planned_bytes = step->planned_bytes();
  result.peak_rss_bytes = static_cast<size_t>(peak_resident_bytes());

  const int64_t operations = 2 * multiply_adds(step->program().graph());
  result.peak_share = static_cast<double>(operations) / median / kernels::measure_peak();
  if (options.profile) {
    for (int i = 0; i < options.steps; ++i) step->run(images, true);
    result.parts = parts_of(step->program(), options.steps);
  }
  return result;
}

BenchmarkResult measure_inference(const Model& model, const ModelOptions& model_options, const SpeedOptions& options) {
  return measure_speed([&] { return std::make_unique<TimedInference>(model, model_options, options); }, options);
}

}  // namespace convoy
