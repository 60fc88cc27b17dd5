#include "train/freeze.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "convoy/error.h"
#include "core/text.h"
#include "inference/weight_match.h"
#include "ops/batch_norm/batch_norm.h"
#include "plan/network_graph.h"

namespace convoy {
namespace {

constexpr std::string_view kAllButHead = "all-but-head";

// "layer1", "layer1.0", "layer1.0.conv1" and "layer1.0.conv1.weight" of the latter.
bool lies_below(std::string_view name, std::string_view module) {
  return name == module || (name.starts_with(module) && name.substr(module.size()).starts_with('.'));
}

std::vector<std::string> modules_of(const std::vector<std::string>& names) {
  std::set<std::string> modules{std::string(kAllButHead)};
  for (const std::string& name : names) {
    for (size_t end = name.find('.'); end != std::string::npos; end = name.find('.', end + 1)) {
      modules.insert(name.substr(0, end));
    }
    modules.insert(name);
  }
  return {modules.begin(), modules.end()};
}

}  // namespace

std::set<std::string> frozen_parameters(const Model& model, const ModelOptions& options, int64_t image_size,
                                        std::string_view choice) {
  std::set<std::string> frozen;
  if (choice.empty()) return frozen;
  const Shape images{1, image_size, image_size, 3};
  ModelOptions wider_options = options;
  ++wider_options.num_classes;
  const Graph graph = inference_graph(model, options, images), wider = inference_graph(model, wider_options, images);
  std::vector<std::string> names;
  for (const ValueId id : graph.parameters()) names.push_back(graph.value(id).name);
  if (choice == kAllButHead) {
    frozen.insert(names.begin(), names.end());
    for (const NetworkTensor& tensor : network_tensors(graph, wider)) {
      if (tensor.class_axis >= 0) frozen.erase(tensor.name);
    }
    return frozen;
  }
  while (!choice.empty()) {
    const std::string module(choice.substr(0, choice.find(',')));
    choice.remove_prefix(std::min(choice.size(), module.size() + 1));
    bool found = false;
    for (const std::string& name : names) {
      if (!lies_below(name, module)) continue;
      frozen.insert(name);
      found = true;
    }
    if (!found) throw UsageError(fmt::format("freeze: {}", unknown_name("module", module, modules_of(names))));
  }
  if (frozen.size() == names.size()) throw UsageError("freeze: nothing is left to train");
  return frozen;
}

void freeze_norms(Graph& graph, const std::set<std::string>& frozen, Recipe::FreezeStats stats) {
  if (stats == Recipe::FreezeStats::none) return;
  for (Node& node : graph.nodes()) {
    const auto* norm = op_as<BatchNormOp>(node);
    if (norm == nullptr) continue;
    int parameters = 0, kept = 0;
    for (const BatchNormOp::Input input : {BatchNormOp::kWeight, BatchNormOp::kBias}) {
      const ValueId id = node.inputs[static_cast<size_t>(input)];
      if (id == kNoValue) continue;
      ++parameters;
      kept += frozen.contains(graph.value(id).name) ? 1 : 0;
    }
    const bool whole = parameters > 0 && kept == parameters;
    if (stats == Recipe::FreezeStats::frozen && !whole) continue;
    BatchNormAttributes attributes = norm->batch_norm();
    attributes.training = false;
    node.op = std::make_shared<BatchNormOp>(attributes);
  }
}

}  // namespace convoy
