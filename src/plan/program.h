// A graph made ready to run: kernels chosen, memory laid out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/buffer.h"
#include "core/parallel.h"
#include "graph/graph.h"
#include "plan/variables.h"

namespace convoy {

struct ProgramOptions {
  bool guarded = false;   // for tests, see Program::kGuardBytes
  bool exact = false;     // no approximate kernels (graph/op.h)
  bool prepared = false;  // prepare() will be called before all runs
};

// Runs a graph. Construction plans; bind() gives it memory; run() allocates nothing.
class Program {
 public:
  // Bytes behind every tensor that guarded programs check after each node.
  static constexpr size_t kGuardBytes = 64;

  struct NodeReport {
    std::string kernel;                // the one chosen
    std::vector<std::string> refused;  // "name: why" of those preferred to it
    size_t workspace = 0;
    double seconds = 0;  // spent in all profiled runs
  };

  // Chooses a kernel for every node. Throws Error when no kernel takes one.
  explicit Program(Graph graph, ProgramOptions options = {});

  const Graph& graph() const { return graph_; }
  // The arena this program needs.
  size_t arena_bytes() const { return arena_bytes_; }
  // Resolves every tensor: parameters and states in `variables`, the rest in `arena`, which other programs may share
  // as long as they do not run at the same time. Both must outlive the program. Throws Error when the arena is too
  // small or a variable is missing.
  void bind(const Variables& variables, Buffer& arena);

  // Makes ahead what the kernels make of weights, for all runs until the weights change: call it again then. Only of a
  // program that was planned for it, and that changes no weights itself.
  void prepare();

  // Memory of an input, an output or a variable, by name. An input is to be filled before each run; an output is valid
  // until the next run of a program that shares the arena.
  float* data(std::string_view name) const;
  float* data(ValueId id) const { return reinterpret_cast<float*>(pointers_[static_cast<size_t>(id)]); }

  // Runs with the team that was current when the program was planned, which its scratch memory is for. Throws Error
  // when a guarded program's kernel wrote where it must not.
  void run(const StepScalars& step);
  // The same with a clock on every node.
  void run_profiled(const StepScalars& step);

  const std::vector<NodeReport>& reports() const { return reports_; }

 private:
  struct Step {
    const Kernel* kernel = nullptr;
    std::vector<TensorType> input_types, output_types;
    std::vector<std::byte*> inputs, outputs;
    std::byte* workspace = nullptr;
    bool is_prepared = false;
    std::byte* prepared = nullptr;
  };

  void choose_kernels(bool exact, bool prepared);
  void plan_memory();
  NodeSpec spec_of(size_t index) const;
  size_t prepared_bytes(size_t index) const;
  void run_step(size_t index, const StepScalars& step);
  std::vector<std::byte*> guards_of(size_t index) const;
  void run_guarded(size_t index, const StepScalars& step);

  Graph graph_;
  ThreadTeamPtr team_;
  std::vector<Step> steps_;
  std::vector<NodeReport> reports_;
  size_t guard_ = 0;
  size_t arena_bytes_ = 0;
  std::vector<size_t> block_of_value_;  // into block_offsets_; kNoBlock: not in the arena
  std::vector<size_t> block_offsets_;
  std::vector<size_t> workspace_block_;  // of each node
  Buffer constants_;
  Buffer prepared_;
  std::vector<std::byte*> pointers_;
  std::byte* arena_ = nullptr;
};

}  // namespace convoy
