#include "inference/speed.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
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

// Of a node's maps and weights, each once; weights stay where they are from one run of a step to the next.
int64_t bytes_moved(const Program& program, const Node& node, int64_t runs) {
  const Graph& graph = program.graph();
  int64_t bytes = 0;
  for (const std::vector<ValueId>* ids : {&node.inputs, &node.outputs}) {
    for (const ValueId id : *ids) {
      if (id == kNoValue || program.is_between_stripes(id)) continue;
      const ValueInfo& info = graph.value(id);
      const bool lasts = info.is_variable() || info.kind == ValueKind::constant;
      bytes += (lasts ? 1 : runs) * info.type.shape.elements() * size_of(program.stored_as(id));
    }
  }
  return bytes;
}

std::string layer_name(const Graph& graph, const Node& node) {
  constexpr std::string_view kWeight = ".weight";
  for (const ValueId id : node.inputs) {
    if (id == kNoValue || !graph.value(id).name.ends_with(kWeight)) continue;
    return graph.value(id).name.substr(0, graph.value(id).name.size() - kWeight.size());
  }
  return "";
}

// What a node's products are of.
enum class Factors : uint8_t { floats, brain_floats, bytes };

Factors factors_of(const Program& program, size_t index) {
  for (const ValueId id : program.graph().nodes()[index].inputs) {
    if (id != kNoValue && program.graph().value(id).type.dtype == DType::i8) return Factors::bytes;
  }
  return program.reports()[index].kernel == "tiles" ? Factors::brain_floats : Factors::floats;
}

// Operations a second that the machine can do of each kind, measured when first asked for.
class Peaks {
 public:
  double of(Factors factors) {
    std::optional<double>& peak = peaks_.at(static_cast<size_t>(factors));
    if (!peak) {
      peak = factors == Factors::bytes          ? kernels::measure_byte_peak()
             : factors == Factors::brain_floats ? kernels::measure_tile_peak()
                                                : kernels::measure_peak();
    }
    return *peak;
  }

 private:
  std::array<std::optional<double>, 3> peaks_;
};

// Of the most operations, and what share of the time a step at the peaks would take.
void set_peak(const std::vector<ProgramRuns>& programs, double step_seconds, Peaks& peaks, BenchmarkResult& result) {
  std::array<int64_t, 3> operations{};
  for (const ProgramRuns& runs : programs) {
    const Graph& graph = runs.program->graph();
    for (size_t i = 0; i < graph.nodes().size(); ++i) {
      operations.at(static_cast<size_t>(factors_of(*runs.program, i))) +=
          2 * runs.runs * multiply_adds(graph, graph.nodes()[i]);
    }
  }
  double seconds = 0;
  for (size_t kind = 0; kind < operations.size(); ++kind) {
    if (operations.at(kind) == 0) continue;
    seconds += static_cast<double>(operations.at(kind)) / peaks.of(static_cast<Factors>(kind));
  }
  const auto most = std::ranges::max_element(operations) - operations.begin();
  result.peak = peaks.of(static_cast<Factors>(most));
  result.peak_share = seconds / step_seconds;
}

void add_layers(const ProgramRuns& runs, int steps, Peaks& peaks, BenchmarkResult& result) {
  const Program& program = *runs.program;
  const Graph& graph = program.graph();
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    BenchmarkResult::Layer layer;
    layer.name = layer_name(graph, node);
    for (const ValueId id : node.outputs) {
      if (layer.output.empty() && id != kNoValue) layer.output = graph.value(id).type.shape.to_string();
    }
    layer.op = node.op->name();
    const std::string attributes = to_string(node.op->attributes());
    if (!attributes.empty()) layer.op.append(" ").append(attributes);
    layer.kernel = program.reports()[i].kernel;
    if (program.reports()[i].striped) layer.kernel.append(", striped");
    layer.refused = program.reports()[i].refused;
    layer.seconds = program.seconds(i) / static_cast<double>(steps * runs.at_once);
    layer.multiply_adds = runs.runs * multiply_adds(graph, node);
    layer.bytes = bytes_moved(program, node, runs.runs);
    const double peak = layer.multiply_adds == 0 ? result.peak : peaks.of(factors_of(program, i));
    layer.bound_seconds = std::max(2.0 * static_cast<double>(layer.multiply_adds) / peak,
                                   static_cast<double>(layer.bytes) / result.bandwidth);
    result.layers.push_back(std::move(layer));
  }
}

class TimedInference : public TimedStep {
 public:
  TimedInference(const Model& model, const ModelOptions& model_options, const SpeedOptions& options)
      : step_(model, model_options, options.batch_size, options.image_size, variables_, 0,
              {.precision = options.precision, .prepared = true}),
        arena_(make_arena(step_.arena_bytes(), fmt::format("{} at batch size {}", model.name, options.batch_size))) {
    step_.bind(variables_, arena_);
    step_.prepare();
  }

  std::vector<ProgramRuns> programs() const override { return step_.program().halves(); }
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
  for (int i = 1; i < kWarmUpSteps; ++i) step->run(images, false);

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

  Peaks peaks;
  set_peak(step->programs(), median, peaks, result);
  if (options.layers) {
    result.bandwidth = kernels::measure_bandwidth();
    for (int i = 0; i < options.steps; ++i) step->run(images, true);
    for (const ProgramRuns& runs : step->programs()) add_layers(runs, options.steps, peaks, result);
  }
  return result;
}

BenchmarkResult measure_inference(const Model& model, const ModelOptions& model_options, const SpeedOptions& options) {
  return measure_speed([&] { return std::make_unique<TimedInference>(model, model_options, options); }, options);
}

}  // namespace convoy
