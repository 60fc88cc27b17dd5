#include "tests/support/reference.h"

namespace convoy {

void run_in_double(const Graph& graph, ReferenceValues& values) {
  for (const Node& node : graph.nodes()) {
    std::vector<ReferenceTensor> inputs;
    for (const ValueId id : node.inputs) {
      inputs.push_back(id == kNoValue ? ReferenceTensor{TensorType::absent(), {}} : values.at(id));
    }
    std::vector<ReferenceTensor> outputs;
    for (const TensorType& type : graph.types(node.outputs)) {
      outputs.push_back({type, std::vector<double>(type.present ? static_cast<size_t>(type.shape.elements()) : 0)});
    }
    node.op->reference(inputs, outputs, {});
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.op->mutates(static_cast<int>(i))) values[node.inputs[i]] = std::move(inputs[i]);
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != kNoValue) values[node.outputs[i]] = std::move(outputs[i]);
    }
  }
}

}  // namespace convoy
