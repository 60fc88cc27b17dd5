// Writing a graph anew.
#pragma once

#include "graph/graph.h"

namespace convoy {

// Adds an input, variable or constant like this one of another graph; kNoValue for what nodes make.
ValueId add_copy(Graph& graph, const ValueInfo& info);

}  // namespace convoy
