// The layers of a network that int8 can compute.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "ops/conv2d/conv2d.h"

namespace convoy {

// A convolution or linear layer whose weight, and bias, are variables that no other node reads.
struct QuantizableLayer {
  size_t node = 0;   // its position in the graph
  std::string name;  // the weight's, without ".weight"
  const Conv2dOp* op = nullptr;
  ValueId input = kNoValue, output = kNoValue;
  std::string weight, bias;  // names of the variables; empty: no bias
  Shape weight_shape;        // {h, w, in / groups, out}
  int64_t multiply_adds = 0;

  int64_t in_channels() const { return weight_shape[2] * op->conv().groups; }
  int64_t out_channels() const { return weight_shape[3]; }
  bool is_depthwise() const { return weight_shape[2] == 1 && op->conv().groups > 1; }
  std::string_view kind() const;
};

// In the order they run, of a graph that infers and to which no pass was applied. Layers whose sums could overflow 32
// bits are left out.
std::vector<QuantizableLayer> quantizable_layers(const Graph& graph);

}  // namespace convoy
