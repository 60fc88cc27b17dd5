#include "convoy/export.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "convoy/error.h"
#include "core/random.h"
#include "formats/encode.h"
#include "formats/layout.h"
#include "inference/arena.h"
#include "inference/export_tensors.h"
#include "inference/inference_step.h"
#include "inference/model_file.h"
#include "inference/source_options.h"
#include "inference/weight_import.h"
#include "models/names/naming.h"
#include "plan/network_graph.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kImages = 4;

DType find_type(std::string_view name) {
  if (name == "f32") return DType::f32;
  if (name == "f16") return DType::f16;
  if (name == "bf16") return DType::bf16;
  throw UsageError(fmt::format("dtype: expected f32, f16 or bf16, got '{}'", name));
}

// The library's names for the network, and what it calls it.
struct Target {
  const Naming* naming = nullptr;
  std::optional<SourceNetwork> network;
};

// Of those of the library's networks that are the model's, the one that computes alike.
SourceNetwork same_network(const Naming& naming, const ModelCard& card, const Graph& graph) {
  std::vector<std::string> others;
  for (const SourceNetwork& network : networks_of(naming, card.architecture)) {
    ModelCard theirs = card;
    apply(network, {}, theirs.options);
    if (graph_of(theirs, {}).to_string() == graph.to_string()) return network;
    const std::string flags = flags_of(network);
    others.push_back(fmt::format("{} ({})", network.name, flags.empty() ? "as the network usually is" : flags));
  }
  throw UsageError(
      fmt::format("to: the weights are of another computation than {}'s {}, which would answer differently",
                  to_string(naming.source), fmt::join(others, " and ")));
}

Target find_target(const std::string& library, const ModelCard& card, const Graph& graph) {
  if (library.empty()) return {};
  std::vector<std::string_view> known, having;
  for (const Source source : {Source::torchvision, Source::timm, Source::hf, Source::paddle}) {
    const Naming* naming = find_naming(source, card.architecture);
    known.push_back(to_string(source));
    if (naming != nullptr) having.push_back(known.back());
    if (known.back() != library || naming == nullptr) continue;
    return {naming, same_network(*naming, card, graph)};
  }
  if (std::ranges::find(known, library) == known.end()) {
    throw UsageError(fmt::format("to: expected one of {}, got '{}'", fmt::join(known, ", "), library));
  }
  throw UsageError(fmt::format("to: {} has no network like {}; {}", library, card.architecture,
                               having.empty() ? "leave it out to keep the names"
                                              : fmt::format("of the others {} have", fmt::join(having, ", "))));
}

std::vector<float> logits_of(const ModelCard& card, Variables& variables) {
  const int64_t side = card.preprocessing.image_size;
  InferenceStep step(model_of(card), card.options, kImages, side, variables, 0);
  Buffer arena = make_arena(step.arena_bytes(), fmt::format("{}: a batch size of {}", card.architecture, kImages));
  step.bind(variables, arena);
  RandomStream random(0, "export");
  std::generate_n(step.images(), kImages * side * side * 3, [&] { return random.uniform(-1.7F, 1.7F); });
  step.run();
  return {step.logits(), step.logits() + kImages * card.options.num_classes};
}

// Reads what was written by the target's names alone.
std::vector<float> logits_of_file(const fs::path& file, const ModelCard& card, const Graph& graph,
                                  const Target& target) {
  const WeightImport weights(Checkpoint(file), model_of(card), card.options, card.preprocessing.image_size,
                             card.options.num_classes);
  const bool renamed = target.naming != nullptr && !target.naming->places.empty();
  const std::string problem = weights.problem(false, false);
  if (!problem.empty() || weights.naming() != (renamed ? target.naming : nullptr)) {
    throw Error(fmt::format("{}: cannot be read back: {}", file.string(), problem.empty() ? "other names" : problem));
  }
  Variables variables;
  variables.add(graph, std::nullopt);
  weights.load(variables);
  return logits_of(card, variables);
}

void compare(std::span<const float> before, std::span<const float> after, ExportReport& report) {
  report.images = kImages;
  for (size_t i = 0; i < before.size(); ++i) {
    const double difference = std::abs(static_cast<double>(before[i]) - static_cast<double>(after[i]));
    report.largest_logit = std::max(report.largest_logit, std::abs(static_cast<double>(before[i])));
    report.largest_difference = std::max(report.largest_difference,
                                         std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference);
  }
}

// Removes a file that was not renamed.
struct Unchecked {
  fs::path path;
  ~Unchecked() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
};

}  // namespace

void export_model(const fs::path& model_file, const ExportOptions& options, const fs::path& output,
                  ExportReport* report) {
  ExportReport own;
  ExportReport& result = report != nullptr ? *report : own;
  const DType type = find_type(options.dtype);
  const SafetensorsReader file(model_file);
  const ModelCard card = read_model_card(file);
  if (card.options.fused) {
    throw Error(fmt::format("{}: is fused; export the model file that it was made of", model_file.string()));
  }
  const Graph graph = graph_of(card, model_file);
  for (const ValueId weight : graph.parameters()) {
    if (graph.value(weight).type.dtype == DType::f32) continue;
    throw Error(fmt::format("{}: is quantised; export it as .onnx, or the model file that it was made of",
                            model_file.string()));
  }
  const Target target = find_target(options.to, card, graph);
  if (target.network) result.network = target.network->name;

  Variables variables;
  read_weights(file, graph, variables);
  ExportTensors tensors(target.naming, card.architecture, type);
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (!info.is_variable()) continue;
    const Shape shape = file_shape(info.type.shape, info.layout);
    tensors.add(info.name, info.layout, {shape.extents().begin(), shape.extents().end()}, file.floats(info.name));
  }
  for (const TensorToStore& tensor : tensors.stored()) ++(is_floating(tensor.type) ? result.tensors : result.integers);

  const Unchecked written{output.string() + ".unchecked"};
  write_safetensors(written.path, tensors.stored(), {{"format", "pt"}});
  const std::vector<float> before = logits_of(card, variables);
  for (const auto& [name, variable] : variables.all()) {
    std::vector<float> values = variables.read(name);
    round_floats(values, type);
    variables.write(name, values);
  }
  const std::vector<float> rounded = logits_of(card, variables);
  if (logits_of_file(written.path, card, graph, target) != rounded) {
    throw NumericError(
        fmt::format("{}: the exported weights, read back, answer otherwise than the model's, rounded to {}",
                    model_file.string(), options.dtype));
  }
  compare(before, rounded, result);
  fs::rename(written.path, output);
}

}  // namespace convoy
