// The layers of a network, as points at which another can be compared with it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace convoy {

// A convolution or linear layer, together with the norms and branches that it would become one with.
struct LayerPoint {
  std::string layer;         // the name of its weight, without ".weight"
  ValueId value = kNoValue;  // that they make
  TensorType weight;         // of the one convolution, {kernel h, w, channels of the input in a group, out}
  int64_t elements = 0;      // of the value
};

// Those of a graph that infers, whether its branches are folded or not: the points of a network are those of its fused
// form. In order of depth, so that a layer comes behind those that it depends on, in whatever order branches are
// written.
std::vector<LayerPoint> layer_points(const Graph& graph);

// Layers of two networks that correspond.
struct LayerPair {
  size_t a = 0, b = 0;
  bool by_order = false;
};

// Pairs layers of equal name and shape; then, of the others, the longest sequence of equal shapes that both have in
// their order. In the order of `a`.
std::vector<LayerPair> match_layers(const std::vector<LayerPoint>& a, const std::vector<LayerPoint>& b);

}  // namespace convoy
