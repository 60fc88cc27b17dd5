#include "inference/quantized_values.h"

#include <memory>

#include "ops/quantize/quantize.h"
#include "ops/quantized_conv2d/quantized_conv2d.h"

namespace convoy {
namespace {

ValueId as_floats(Graph& graph, ValueId id, const Quantization& quantization) {
  if (graph.value(id).type.dtype != DType::u8) return id;
  return graph.add_node(std::make_shared<DequantizeOp>(quantization), {id})[0];
}

QuantizedLayer quantized_layer(const Node& node) {
  const auto* op = op_as<QuantizedConv2dOp>(node);
  return op == nullptr ? QuantizedLayer{} : op->layer();
}

}  // namespace

ValueId layer_input(Graph& graph, const Node& layer) {
  const Quantization quantization = quantized_layer(layer).input;
  return as_floats(graph, layer.inputs[0], quantization);
}

ValueId layer_output(Graph& graph, const Node& layer) {
  const Quantization quantization = quantized_layer(layer).output;
  return as_floats(graph, layer.outputs[0], quantization);
}

}  // namespace convoy
