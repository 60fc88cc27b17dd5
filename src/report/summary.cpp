#include "report/summary.h"

#include <algorithm>
#include <set>

#include "graph/work.h"
#include "plan/network_graph.h"
#include "report/torchstat.h"

namespace convoy {
namespace {

// Adds what lives under a name to the layer that reads it, and names the layer after it.
void count_variables(const Graph& graph, const Node& node, std::set<ValueId>& counted, LayerSummary& layer) {
  for (const ValueId id : node.inputs) {
    if (id == kNoValue) continue;
    const ValueInfo& info = graph.value(id);
    if (!info.is_variable()) continue;
    if (layer.name.empty()) layer.name = info.name.substr(0, info.name.rfind('.'));
    if (!counted.insert(id).second) continue;
    const int64_t elements = info.type.shape.elements();
    (info.kind == ValueKind::parameter ? layer.parameters : layer.statistics) += elements;
    if (info.kind == ValueKind::parameter) layer.parameter_bytes += elements * size_of(info.type.dtype);
  }
}

}  // namespace

NetworkSummary summarize(const Graph& graph) {
  NetworkSummary summary;
  std::set<ValueId> counted;
  const std::vector<TorchstatCounts> counts = torchstat_counts(graph);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    LayerSummary layer;
    layer.op = node.op->name();
    count_variables(graph, node, counted, layer);
    const std::vector<TensorType> outputs = graph.types(node.outputs);
    layer.input = graph.value(node.inputs.front()).type.shape;
    layer.output = outputs.front().shape;
    layer.multiply_adds = multiply_adds(graph, node);
    layer.torchstat = counts[i];

    summary.total.parameters += layer.parameters;
    summary.total.parameter_bytes += layer.parameter_bytes;
    summary.total.statistics += layer.statistics;
    summary.total.multiply_adds += layer.multiply_adds;
    summary.total.torchstat += layer.torchstat;
    summary.activation_bytes += layer.output.elements() * size_of(outputs.front().dtype);
    summary.layers.push_back(std::move(layer));
  }
  return summary;
}

NetworkSummary summarize(const Model& model, const ModelOptions& options, const Shape& images) {
  if (options.fused) return summarize(inference_graph(model, options, images));
  Graph graph(Mode::training);
  const Value input(&graph, graph.add_input("images", {images}));
  build_network(model, Builder(graph), input, options);
  return summarize(graph);
}

}  // namespace convoy
