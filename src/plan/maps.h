// Which values of a graph are maps.
#pragma once

#include <vector>

#include "convoy/precision.h"
#include "graph/graph.h"

namespace convoy {

// Of each value whether it is a map: made by a node of what depends on the images, of as many rows as images or a
// multiple, and of rank 3 or more. Sums over images are none (Op::sums_images), and outputs of the graph neither, whose
// readers want floats. Maps may be stored in fewer bits.
std::vector<bool> maps_of(const Graph& graph);

// As what maps are stored.
DType map_type(Precision precision);

}  // namespace convoy
