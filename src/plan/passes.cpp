#include "plan/passes.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "convoy/error.h"
#include "core/text.h"
#include "plan/fusion.h"
#include "plan/schedule.h"

namespace convoy {
namespace {

constexpr Pass kForwardPasses[] = {
    {"fuse-addend", "a sum becomes part of the op that made one of its terms", fuse_addends},
    {"fuse-activation", "an activation becomes part of the op before it", fuse_activations},
    {"fuse-residual", "a sum becomes part of the quantised layer behind whose activation it stands", fuse_residuals},
    {"quantize-early", "max pools and concatenations whose results become bytes take bytes", quantize_early},
    {"fuse-dequantize", "a quantised layer adds bytes as they are", fuse_dequantizations},
    {"fuse-quantize", "the rounding to bytes becomes part of the quantised layer before it", fuse_quantizations},
    {"fuse-statistics", "a convolution sums what the batch norm behind it needs", fuse_statistics},
    {"remove-dead", "nodes that nobody reads go", remove_dead_nodes},
};

constexpr Pass kStepPasses[] = {
    {"fuse-gradient-sum", "the sum of a value's gradients becomes part of the op that makes the last",
     fuse_gradient_sums},
    {"remove-dead-gradients", "nodes that nobody reads go", remove_dead_nodes},
    {"early-sums", "sums over ranks begin as soon as the last gradient of each is there", schedule_sums},
    {"early-updates", "parameters are updated as soon as their gradients are there", schedule_updates},
};

}  // namespace

std::span<const Pass> forward_passes() { return kForwardPasses; }
std::span<const Pass> step_passes() { return kStepPasses; }

void verify_graph(const Graph& graph) {
  std::vector<bool> known(static_cast<size_t>(graph.value_count()), false);
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    known[static_cast<size_t>(id)] = graph.value(id).kind != ValueKind::activation;
  }
  for (const Node& node : graph.nodes()) {
    for (const ValueId id : node.inputs) {
      if (id != kNoValue && !known[static_cast<size_t>(id)]) {
        throw InternalError(fmt::format("graph: {} reads %{} before it is there", node.op->name(), id));
      }
    }
    const std::vector<TensorType> inputs = graph.types(node.inputs);
    check_slots(*node.op, inputs);
    const std::vector<TensorType> outputs = node.op->infer(inputs);
    if (outputs.size() < node.outputs.size())
      throw InternalError(fmt::format("graph: {} has too many outputs", node.op->name()));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId id = node.outputs[i];
      if (id == kNoValue) continue;
      if (outputs[i] != graph.value(id).type) {
        throw InternalError(fmt::format("graph: {} makes %{} of {} {}, not {} {}", node.op->name(), id,
                                        to_string(outputs[i].dtype), outputs[i].shape.to_string(),
                                        to_string(graph.value(id).type.dtype), graph.value(id).type.shape.to_string()));
      }
      if (known[static_cast<size_t>(id)]) throw InternalError(fmt::format("graph: %{} is made twice", id));
      known[static_cast<size_t>(id)] = true;
    }
  }
  for (const auto& [name, id] : graph.outputs()) {
    if (!known[static_cast<size_t>(id)]) throw InternalError(fmt::format("graph: output {} is never made", name));
  }
}

std::vector<PassReport> run_passes(Graph& graph, std::span<const Pass> passes, const std::set<std::string>& disabled) {
  std::vector<std::string> names;
  for (const std::span<const Pass> list : {forward_passes(), step_passes()}) {
    for (const Pass& pass : list) names.emplace_back(pass.name);
  }
  for (const std::string& name : disabled) {
    if (std::find(names.begin(), names.end(), name) == names.end()) throw UsageError(unknown_name("pass", name, names));
  }
  std::vector<PassReport> reports;
  for (const Pass& pass : passes) {
    PassReport report{pass.name};
    if (!disabled.contains(std::string(pass.name))) {
      const auto start = std::chrono::steady_clock::now();
      report.rewrites = pass.run(graph);
      report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      verify_graph(graph);
    }
    reports.push_back(report);
  }
  return reports;
}

}  // namespace convoy
