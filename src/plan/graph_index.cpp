#include "plan/graph_index.h"

namespace convoy {

GraphIndex::GraphIndex(const Graph& graph)
    : producer_(static_cast<size_t>(graph.value_count()), -1),
      readers_(static_cast<size_t>(graph.value_count())),
      output_(static_cast<size_t>(graph.value_count()), false) {
  for (size_t position = 0; position < graph.nodes().size(); ++position) {
    const Node& node = graph.nodes()[position];
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) producer_[static_cast<size_t>(id)] = static_cast<int>(position);
    }
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) readers_[static_cast<size_t>(id)].push_back(static_cast<int>(position));
    }
  }
  for (const auto& [name, id] : graph.outputs()) output_[static_cast<size_t>(id)] = true;
}

}  // namespace convoy
