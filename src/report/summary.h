// The layers of a graph.
#pragma once

#include "convoy/summary.h"
#include "graph/graph.h"

namespace convoy {

NetworkSummary summarize(const Graph& graph);

}  // namespace convoy
