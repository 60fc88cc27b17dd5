// Which block of an arena each value of a step has, and from when to when.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "plan/memory.h"

namespace convoy {

inline constexpr size_t kNoBlock = std::numeric_limits<size_t>::max();

// A node as its memory sees it.
struct MemoryNode {
  std::vector<ValueId> inputs, outputs;       // kNoValue: absent
  std::vector<std::pair<int, int>> in_place;  // as Op::in_place
  size_t workspace = 0;                       // bytes
};

// What a step needs memory for.
struct StepMemory {
  std::vector<MemoryNode> nodes;
  std::vector<size_t> bytes;             // of each value; 0: it is not in the arena
  std::vector<ValueId> inputs, outputs;  // there before the first node, and still behind the last
};

struct Blocks {
  std::vector<Lifetime> lifetimes;   // in positions of the order
  std::vector<size_t> of_value;      // the last one of each; kNoBlock: none
  std::vector<size_t> of_workspace;  // of each position; kNoBlock: none
};

// The blocks of the nodes run in that order. Where a node makes a value that has been made before, the value has
// another block from there on. An output takes over the block of an input that nobody reads later, where its op allows
// it.
Blocks assign_blocks(const StepMemory& memory, std::span<const int> order);

// Bytes that live at each of the positions: no arena of these blocks is smaller than the greatest.
std::vector<size_t> live_bytes(std::span<const Lifetime> blocks, size_t positions);

}  // namespace convoy
