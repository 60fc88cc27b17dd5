// The pass that orders the updates of parameters.
#pragma once

#include "graph/graph.h"

namespace convoy {

// Moves each node at the end of the graph that changes a variable to where its inputs are there and the variable's
// earlier readers are through, so that gradients do not wait in memory. Returns the number of nodes moved.
int schedule_updates(Graph& graph);

}  // namespace convoy
