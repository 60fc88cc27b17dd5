#include "convoy/fuse.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "graph/work.h"
#include "inference/fuse_check.h"
#include "inference/model_file.h"
#include "inference/speed.h"
#include "plan/reparameterise.h"

namespace convoy {
namespace {

FuseReport::Form form_of(const Graph& graph) {
  FuseReport::Form form;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (info.kind == ValueKind::parameter) form.parameters += info.type.shape.elements();
    if (info.kind == ValueKind::state) form.statistics += info.type.shape.elements();
  }
  form.multiply_adds = multiply_adds(graph);
  form.layers = static_cast<int64_t>(graph.nodes().size());
  return form;
}

double speed_of(const Model& model, const ModelCard& card, bool fused, int64_t batch_size) {
  ModelOptions options = card.options;
  options.fused = fused;
  return measure_inference(model, options, {.batch_size = batch_size, .image_size = card.preprocessing.image_size})
      .median_img_per_s;
}

}  // namespace

void fuse_model(const std::filesystem::path& model_file, const FuseOptions& options,
                const std::filesystem::path& output, FuseReport* report) {
  FuseReport own;
  FuseReport& result = report != nullptr ? *report : own;
  const SafetensorsReader file(model_file);
  ModelCard card = read_model_card(file);
  const Graph graph = graph_of(card, model_file);
  const Model& model = model_of(card);
  if (card.options.fused) throw Error(fmt::format("{}: is fused already", model_file.string()));
  const Reparameterised fused = reparameterise(graph);
  if (fused.convolutions.empty()) {
    throw Error(fmt::format("{}: {} has no norms or parallel branches that a convolution could take in",
                            model_file.string(), model.name));
  }
  result.before = form_of(graph);
  result.after = form_of(fused.graph);
  result.convolutions = static_cast<int64_t>(fused.convolutions.size());
  for (const auto& [rule, count] : fused.rewrites) result.rewrites[std::string(rule)] = count;

  Variables original, single;
  read_weights(file, graph, original);
  single.add(fused.graph, std::nullopt);
  fuse_weights(fused, original, single);
  compare_forms({model, card, graph, original, single}, options, result);
  check_tolerance(model_file, options, result);
  if (options.measure) {
    result.before.img_per_s = speed_of(model, card, false, options.batch_size);
    result.after.img_per_s = speed_of(model, card, true, options.batch_size);
  }
  card.options.fused = true;
  write_model_file(output, card, fused.graph, "", single);
}

}  // namespace convoy
