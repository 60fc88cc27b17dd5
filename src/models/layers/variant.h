// What the same network differs in from framework to framework, for a network that is built already: each function
// changes the nodes from position `first` on and returns how many it looked at.
#pragma once

#include <cstddef>

#include "convoy/activation.h"
#include "graph/graph.h"

namespace convoy {

// Of every batch norm.
int set_norm_eps(Graph& graph, size_t first, float eps);

// Pads every convolution with strides whose padding is half its kernel as TensorFlow's "same" does
// (https://www.tensorflow.org/api_docs/python/tf/nn): ceil(extent / stride) outputs, and where the zeros that they need
// are odd, the last stands below or at the right. Shapes stay.
int pad_as_tensorflow(Graph& graph, size_t first);

// `function` wherever the network has `usual`.
int replace_activation(Graph& graph, size_t first, Activation usual, Activation function);

}  // namespace convoy
