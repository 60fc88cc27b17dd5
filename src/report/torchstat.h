// The figures of torchstat, counted from a graph.
#pragma once

#include <vector>

#include "convoy/summary.h"
#include "graph/graph.h"

namespace convoy {

// The counts of every node, in the order of the nodes. Stochastic depth counts as a layer in training graphs, where it
// is one; torchstat, which runs the same modules, sees it always. A quantised layer counts as if it were float32.
std::vector<TorchstatCounts> torchstat_counts(const Graph& graph);

}  // namespace convoy
