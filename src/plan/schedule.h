// The passes that order the updates of parameters, and the sums over ranks before them.
#pragma once

#include "graph/graph.h"

namespace convoy {

// Moves each node at the end of the graph that changes a variable to where its inputs are there and the variable's
// earlier readers are through, so that gradients do not wait in memory. Returns the number of nodes moved.
int schedule_updates(Graph& graph);

// Moves each sum over ranks to where what it sums is there, so that it goes on beside the rest of the backward pass.
// Returns the number of nodes moved.
int schedule_sums(Graph& graph);

}  // namespace convoy
