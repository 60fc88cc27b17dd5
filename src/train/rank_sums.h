// The part of a training step that sums over the ranks of a world.
#pragma once

#include "core/world.h"
#include "train/updates.h"

namespace convoy {

// The gradients' places in the order in which the backward pass makes them.
std::vector<size_t> backward_order(const Graph& graph, const Gradients& gradients);

// Adds the sums of the gradients, or of what takes their places, over the ranks, and returns those. They go in buckets
// of neighbours in that order, the first of which are on their way while the last gradients are computed.
Gradients sum_over_ranks(Graph& graph, World& world, const Gradients& gradients, const std::vector<size_t>& order);

// Batch norms that train take, and follow, the statistics of all ranks together.
void synchronise_norms(Graph& graph, World& world);

// Running statistics become the mean of those of the ranks, each by its share of the batch.
void average_statistics(Graph& graph, World& world, const std::vector<ValueId>& statistics, double share);

// The states that the nodes change so far.
std::vector<ValueId> changed_states(const Graph& graph);

}  // namespace convoy
