// A graph that runs node by node.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "core/buffer.h"
#include "graph/graph.h"
#include "plan/program.h"
#include "plan/variables.h"

namespace convoy {

// Runs an inference graph to which no pass was applied, by exact kernels; what a node makes can be looked at and
// changed before others read it. It has memory only for the values that are still to be read.
class GraphWalk {
 public:
  // Both must outlive it; variables may change between steps.
  GraphWalk(const Graph& graph, const Variables& variables);

  // Begins anew with these images, as many as the graph is of.
  void start(std::span<const float> images);
  bool done() const { return next_ == graph_->nodes().size(); }
  // Runs the next node, and returns it.
  const Node& step();
  // Whether it is there: it was made, and a later node reads it, or it is an output of the graph.
  bool has(ValueId id) const { return !values_[static_cast<size_t>(id)].empty(); }
  // An f32 value that is there.
  std::span<float> value(ValueId id);

 private:
  // A node as a graph of its own, whose inputs and outputs have the names of their values' numbers.
  std::unique_ptr<Program> program_of(const Node& node) const;

  const Graph* graph_;
  std::vector<std::unique_ptr<Program>> programs_;
  std::vector<size_t> last_use_;  // of each value: its last reader's position; nodes().size() of outputs
  std::vector<std::vector<std::byte>> values_;
  Buffer arena_;
  size_t next_ = 0;
};

}  // namespace convoy
