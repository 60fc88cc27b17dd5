// Passes that make one node of several. Each returns the number of rewrites.
#pragma once

#include "graph/graph.h"

namespace convoy {

// sum(x, f(y)) -> f(y, addend x), where f can add (Op::addend) and nobody else reads f's result: sums of the network.
int fuse_addends(Graph& graph);
int fuse_residuals(Graph& graph);

// The same for sums of gradients.
int fuse_gradient_sums(Graph& graph);

// activation(f(x)) -> f'(x), where f can activate (Op::with_activation) and nobody else reads f's result. Convolutions
// activate only in graphs that infer.
int fuse_activations(Graph& graph);

// quantized_conv2d(x, addend dequantize(y)) -> quantized_conv2d(x, addend y), which reads bytes.
int fuse_dequantizations(Graph& graph);

// quantize(max_pool(x)) -> max_pool(quantize(x)), the same bytes, where nobody else reads the floats; so of concat.
int quantize_early(Graph& graph);

// quantize(quantized_conv2d(x)) -> quantized_conv2d(x), which writes bytes, where nobody else reads the floats.
int fuse_quantizations(Graph& graph);

// batch_norm(conv2d(x)) -> the convolution hands the norm its per-tile sums, which saves a pass over its output.
int fuse_statistics(Graph& graph);

// Drops nodes of which no output is read and that change nothing in place.
int remove_dead_nodes(Graph& graph);

}  // namespace convoy
