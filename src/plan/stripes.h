// Layers computed together, a stripe of rows at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "convoy/kernel.h"
#include "core/parallel.h"
#include "graph/graph.h"

namespace convoy {

// A node as it is planned.
struct PlannedNode {
  const Kernel* kernel = nullptr;
  std::span<const TensorType> inputs, outputs;  // as the kernel takes them
  bool prepared = false;                        // NodeSpec::prepared
  bool in_prologue = false;                     // it does not run with the others
  bool whole = false;                           // it cannot compute some rows alone
};

// What layers are computed in stripes for, in bytes.
struct StripeLimits {
  size_t stripe = 512 << 10;  // what of a core's L2 cache the rows of a stripe and the weights may take
  size_t cached = 512 << 10;  // a map of fewer is still in the cache when the next layer reads it
  size_t call = 16 << 10;     // what could be moved in the time that it takes to begin with some rows of a layer
};

// Early maps are larger than the caches: written as a whole, each comes back from memory for the next layer. In a run
// of layers computed in stripes some rows go through all of them before the next rows do, and of a map between two only
// the rows exist that are still to be read, which stay in a core's cache (Alwani et al., "Fused-layer CNN
// accelerators", MICRO 2016). Every thread has a part of the last map, from top to bottom, and keeps what it has
// computed of the others until it is read, so that only where two parts meet rows are computed twice. Kernels make the
// same bits of some rows as of all.
class Stripes {
 public:
  // The runs of a graph of one image by which less has to be moved, in order, for the current team.
  static std::vector<Stripes> find(const Graph& graph, std::span<const PlannedNode> nodes, const StripeLimits& limits);

  // Its nodes, in order. Those of the prologue may lie between them.
  const std::vector<size_t>& nodes() const { return nodes_; }
  // What is made before it and read in it; the maps between two of its nodes, which have memory in its workspace alone;
  // the one that others read.
  const std::vector<ValueId>& inputs() const { return inputs_; }
  const std::vector<ValueId>& between() const { return between_; }
  ValueId output() const { return output_; }
  // For the team that was current when it was planned.
  size_t workspace_bytes() const { return parts_.size() * part_bytes_; }

  // The memory of a run.
  struct Memory {
    std::span<const View> views;  // of each value of the graph; of none between
    std::byte* workspace;
    std::span<const std::byte* const> prepared;  // NodeMemory::prepared of each node of the graph
  };
  // Runs the nodes of the graph that it was planned for. Where there are `seconds`, one for each node of the graph, the
  // time of each is added.
  void run(const Graph& graph, std::span<const PlannedNode> planned, const Memory& memory, const StepScalars& step,
           std::span<double> seconds) const;

 private:
  friend class StripesBuilder;

  static constexpr size_t kMostInputs = 8, kMostOutputs = 2;

  // Bytes from where a value lies, or from where the memory of a thread begins.
  struct Place {
    ValueId id = kNoValue;
    bool buffered = false;
    size_t offset = 0;
  };
  // Some rows of a node.
  struct Call {
    size_t node = 0;
    int64_t rows_above = 0;
    std::vector<TensorType> inputs, outputs;
    std::vector<Place> sources;
    Place target;
  };
  // Rows that are still to be read go to where the buffer of their map begins.
  struct Move {
    size_t to = 0, from = 0, bytes = 0;
  };
  struct Stripe {
    std::vector<Move> moves;
    std::vector<Call> calls;
  };

  void run_call(const Call& call, const Graph& graph, const PlannedNode& planned, const Memory& memory,
                std::byte* buffers, const StepScalars& step) const;

  std::vector<size_t> nodes_;
  std::vector<ValueId> inputs_, between_;
  ValueId output_ = kNoValue;
  std::vector<std::vector<Stripe>> parts_;
  size_t scratch_offset_ = 0, part_bytes_ = 0;  // of a thread: buffers, then scratch memory of kernels
  ThreadTeamPtr alone_;                         // a kernel is run by the thread that has the stripe
};

}  // namespace convoy
