// ACNet's asymmetric convolution blocks (Ding et al., arXiv 1908.03930), for a network that is built already.
#pragma once

#include <cstddef>

#include "graph/graph.h"

namespace convoy {

// To every trained k x k convolution among the nodes from position `first` on, adds a k x 1 and a 1 x k convolution of
// its input, for odd k > 1 and a padding of at least half the kernel. Where a batch norm alone reads the convolution,
// each branch gets a norm like it and the three results are summed behind the norms; elsewhere the convolutions are
// summed, and the branches start at zero. The square convolution keeps its names, so that weights of the plain network
// fit; the branches' stand below it: "conv1.ver.conv.weight", "conv1.hor.bn.weight".
// Returns the number of blocks.
int add_asymmetric_branches(Graph& graph, size_t first);

}  // namespace convoy
