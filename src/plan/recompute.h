// Computing values again in the backward pass instead of keeping them (Chen et al., arXiv 1604.06174).
#pragma once

#include <cstddef>
#include <optional>

#include "plan/program.h"

namespace convoy {

struct Recomputation {
  Graph graph;      // the same step, to the bit, with nodes that compute again what the backward pass reads
  int nodes = 0;    // how many
  double work = 0;  // theirs as a share of all work of the step without them, as estimated
};

// A training step, its outputs made before its backward pass begins, with as little computed again as makes its arena
// one of at most `arena_bytes`. Nullopt where no way is found. options: of the program that will run it.
std::optional<Recomputation> recompute(const Graph& step, const ProgramOptions& options, size_t arena_bytes);

// The same for about as small an arena as can be had for at most so much work, as a share of the step's.
Recomputation recompute_within(const Graph& step, const ProgramOptions& options, double work);

// The smallest arena for which recompute() finds a way, to one in a hundred.
size_t smallest_arena(const Graph& step, const ProgramOptions& options);

}  // namespace convoy
