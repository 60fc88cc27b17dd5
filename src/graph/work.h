// How much a graph computes.
#pragma once

#include <cstdint>

#include "graph/graph.h"

namespace convoy {

// Multiply-adds of a node, and of all nodes.
int64_t multiply_adds(const Graph& graph, const Node& node);
int64_t multiply_adds(const Graph& graph);

}  // namespace convoy
