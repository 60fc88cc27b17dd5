// Who makes and who reads each value: what passes ask of a graph.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace convoy {

// A snapshot: build it anew after every edit of the nodes.
class GraphIndex {
 public:
  explicit GraphIndex(const Graph& graph);

  // Position of the node that makes a value; -1 for inputs, variables and constants.
  int producer(ValueId id) const { return producer_[static_cast<size_t>(id)]; }
  // Positions of the nodes that read a value, one entry a reading input.
  const std::vector<int>& readers(ValueId id) const { return readers_[static_cast<size_t>(id)]; }
  // Whether exactly one node reads the value, once, and the caller does not.
  bool read_once(ValueId id) const { return readers(id).size() == 1 && !output_[static_cast<size_t>(id)]; }
  bool unread(ValueId id) const { return readers(id).empty() && !output_[static_cast<size_t>(id)]; }

 private:
  std::vector<int> producer_;
  std::vector<std::vector<int>> readers_;
  std::vector<bool> output_;
};

}  // namespace convoy
