// The layers of a network, for learning rates that differ from layer to layer.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "graph/graph.h"

namespace convoy {

// What the names of the head's parameters begin with, without the dot: of the layer that the network's builder said to
// make the logits; empty where it said none.
std::string head_place(const Graph& forward);

// The layer of every parameter, by its name: from 0 at the images without gaps to the last one, which is the
// classifier. As timm groups them for its layer_decay, a layer is the stem, a block ("layer1.0", "features.3",
// "stages.1.blocks.2") or another module at the top; a module of nothing but vectors, a norm, is of the layer before
// it.
std::map<std::string, int64_t> layers_of(const Graph& forward);

}  // namespace convoy
