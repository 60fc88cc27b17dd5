// What quantised layers read and make, as floats.
#pragma once

#include "graph/graph.h"

namespace convoy {

// The first input and the output of a layer: where they are bytes, the numbers that these stand for, which a node that
// is added to the graph makes.
ValueId layer_input(Graph& graph, const Node& layer);
ValueId layer_output(Graph& graph, const Node& layer);

}  // namespace convoy
