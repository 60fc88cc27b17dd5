// Which layers are computed in stripes (plan/stripes.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "plan/stripes.h"

namespace convoy {

inline constexpr size_t kNone = std::numeric_limits<size_t>::max();

// A graph whose maps are seen row by row.
struct RowGraph {
  RowGraph(const Graph& graph, std::span<const PlannedNode> nodes);

  ValueId output(size_t index) const { return graph.nodes()[index].outputs[0]; }
  std::optional<RowWindow> window(size_t index, size_t input) const {
    return graph.nodes()[index].op->row_window(static_cast<int>(input));
  }

  const Graph& graph;
  std::span<const PlannedNode> nodes;
  // Of each value the node that makes it, and the last that reads it: kNone none, or the caller.
  std::vector<size_t> maker, last_reader;
};

size_t row_bytes(const TensorType& type);
TensorType with_rows(const TensorType& type, int64_t rows);

// Nodes that are computed together, so many rows of the last one's output at a time.
struct StripeRun {
  std::vector<size_t> nodes;
  int64_t rows;
};

std::vector<StripeRun> choose_stripe_runs(const RowGraph& rows, const StripeLimits& limits, size_t most_inputs,
                                          size_t most_outputs);

}  // namespace convoy
