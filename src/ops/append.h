// What the builder functions of ops without parameters share.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "convoy/builder.h"
#include "graph/graph.h"

namespace convoy {

// Appends a node to the graph of the first input and returns its first output; an empty Value is an absent input.
inline Value append(std::shared_ptr<const Op> op, const std::vector<Value>& inputs) {
  Graph& graph = inputs[0].graph();
  std::vector<ValueId> ids;
  ids.reserve(inputs.size());
  for (const Value& input : inputs) ids.push_back(input ? input.id() : kNoValue);
  return {&graph, graph.add_node(std::move(op), std::move(ids))[0]};
}

}  // namespace convoy
