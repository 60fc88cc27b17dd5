// Running a graph in double precision, by the references of its ops.
#pragma once

#include <map>
#include <vector>

#include "graph/graph.h"

namespace convoy {

// The values of a graph, in double; keyed by id.
using ReferenceValues = std::map<ValueId, ReferenceTensor>;

// Computes every activation of `graph` from the inputs, parameters, states and constants in `values`, of which it
// changes those that the nodes do.
void run_in_double(const Graph& graph, ReferenceValues& values);

}  // namespace convoy
