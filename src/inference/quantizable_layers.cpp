#include "inference/quantizable_layers.h"

#include <utility>

#include "ops/quantized_conv2d/quantized_conv2d.h"
#include "plan/graph_index.h"

namespace convoy {
namespace {

std::string layer_name(const std::string& weight) {
  constexpr std::string_view kLeaf = ".weight";
  return weight.ends_with(kLeaf) ? weight.substr(0, weight.size() - kLeaf.size()) : weight;
}

}  // namespace

std::string_view QuantizableLayer::kind() const { return is_depthwise() ? "depthwise" : op->name(); }

std::vector<QuantizableLayer> quantizable_layers(const Graph& graph) {
  const GraphIndex index(graph);
  const auto is_own = [&](ValueId id) { return graph.value(id).is_variable() && index.read_once(id); };
  std::vector<QuantizableLayer> layers;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    const auto* conv = op_as<Conv2dOp>(node);
    if (conv == nullptr || conv->activation() != Activation::none || node.inputs[3] != kNoValue) continue;
    const ValueId weight = node.inputs[1], bias = node.inputs[2];
    if (!is_own(weight) || (bias != kNoValue && !is_own(bias))) continue;
    const Shape& shape = graph.value(weight).type.shape;
    if (shape.elements() / shape[3] > QuantizedConv2dOp::kMostProducts) continue;
    layers.push_back({.node = i,
                      .name = layer_name(graph.value(weight).name),
                      .op = conv,
                      .input = node.inputs[0],
                      .output = node.outputs[0],
                      .weight = graph.value(weight).name,
                      .bias = bias == kNoValue ? std::string() : graph.value(bias).name,
                      .weight_shape = shape,
                      .multiply_adds = conv->multiply_adds(graph.types(node.inputs), graph.types(node.outputs))});
  }
  return layers;
}

}  // namespace convoy
