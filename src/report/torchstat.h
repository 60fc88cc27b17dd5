// The figures of torchstat (github.com/Swall0w/torchstat), which papers and tutorials print, counted from a graph.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace convoy {

// Of a layer on its whole input. With k the products that make one element of a convolution or linear layer, for each
// element of the output:
//   madd   2 k - 1, and 1 for a convolution's bias; batch norm 4; ReLU and ReLU6 1; max pooling its window's elements
//          less 1, average pooling all of them
//   flops  k, and 1 for a convolution's bias; batch norm 2; ReLU, ReLU6 and LeakyReLU 1; pooling 1 for each of its
//   input memory 4 bytes read, written
//          4 bytes for each element of input, weight and bias of convolutions, linear layers, batch norms, ReLUs (as
//          above) and pooling, and for each of their outputs
// Other layers count for memory alone, and adaptive pooling is one of them. What torch networks write as functions has
// no counts: sums, products, concatenation, reshaping, and the mean and the gate of squeeze and excitation. A batch
// norm that no activation follows counts twice for memory: its module ends in an nn.Identity, as timm's and the
// tutorials' do.
struct TorchstatCounts {
  int64_t madd = 0;
  int64_t flops = 0;
  int64_t memory_bytes = 0;
  int64_t read_bytes = 0;
  int64_t written_bytes = 0;

  TorchstatCounts& operator+=(const TorchstatCounts& other);
};

// The counts of every node, in the order of the nodes. Stochastic depth counts as a layer in training graphs, where it
// is one; torchstat, which runs the same modules, sees it always.
std::vector<TorchstatCounts> torchstat_counts(const Graph& graph);

}  // namespace convoy
