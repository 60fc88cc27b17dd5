// Rewrites of a graph that make it faster without changing what it computes.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace convoy {

struct Pass {
  std::string_view name;  // for --disable-pass and `convoy plan`
  std::string_view summary;
  // Returns how many rewrites were made.
  int (*run)(Graph&);
};

// In the order they run: on the forward graph, before it is differentiated, so that gradients are fused as well; and on
// the whole graph of a step.
std::span<const Pass> forward_passes();
std::span<const Pass> step_passes();

struct PassReport {
  std::string_view name;
  int rewrites = 0;
  double seconds = 0;
};

// Runs the passes whose names are not in `disabled`, and verifies the graph after each. Throws UsageError, with the
// nearest name, when `disabled` names no pass.
std::vector<PassReport> run_passes(Graph& graph, std::span<const Pass> passes,
                                   const std::set<std::string>& disabled = {});

// Throws Error when a node reads what no earlier node, input or variable gives, a value has two producers, or a type is
// not what its op infers.
void verify_graph(const Graph& graph);

}  // namespace convoy
