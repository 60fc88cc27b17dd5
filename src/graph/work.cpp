#include "graph/work.h"

#include <vector>

#include "core/saturate.h"

namespace convoy {

int64_t multiply_adds(const Graph& graph, const Node& node) {
  const std::vector<TensorType> inputs = graph.types(node.inputs);
  const std::vector<TensorType> outputs = graph.types(node.outputs);
  return node.op->multiply_adds(inputs, outputs);
}

int64_t multiply_adds(const Graph& graph) {
  int64_t sum = 0;
  for (const Node& node : graph.nodes()) sum = saturating_sum(sum, multiply_adds(graph, node));
  return sum;
}

}  // namespace convoy
