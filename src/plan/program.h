// A graph made ready to run: kernels chosen, memory laid out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/backends.h"
#include "core/buffer.h"
#include "core/parallel.h"
#include "graph/graph.h"
#include "plan/prepared_weights.h"
#include "plan/variables.h"
#include "plan/weight_source.h"

namespace convoy {

struct ProgramOptions {
  bool guarded = false;   // for tests, see Program::kGuardBytes
  bool exact = false;     // no approximate kernels (convoy/kernel.h)
  bool prepared = false;  // prepare() will be called before all runs
  const Backend& backend = cpu_backend();
  // Where prepare() takes and leaves what kernels make of weights, which then never change; null: the program's own.
  PreparedWeights* shared = nullptr;
  int passed_over = 0;  // for tests: so many of the kernels that take a node are not, as long as one is left
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

  // Chooses a kernel for every node. Throws Error when no kernel of the backend takes one.
  explicit Program(Graph graph, const ProgramOptions& options = {});

  const Graph& graph() const { return graph_; }
  const Backend& backend() const { return *backend_; }
  // The arena this program needs.
  size_t arena_bytes() const { return arena_bytes_; }
  // Resolves every tensor: parameters and states in `variables`, the rest in `arena`, which other programs may share
  // as long as they do not run at the same time. Both are memory of the program's backend and must outlive it. Throws
  // Error when the arena is too small, a variable is missing, or they are another backend's.
  void bind(const Variables& variables, Buffer& arena);

  // Makes ahead, for all runs until the weights change, what depends on variables and constants alone: the nodes of the
  // prologue are run, and kernels make what they make of weights. Call it again when the weights have changed. Only of
  // a program that was planned for it, and that changes no weights itself.
  void prepare();
  // The same with values of the variables from `weights`, whose errors it throws. Variables of which kernels made all
  // that they need are not set: their memory is never touched.
  void prepare(const WeightSource& weights);

  // Copies an input, an output or a variable from and to wherever the backend has it. An input is to be written before
  // each run; an output is valid until the next run of a program that shares the arena.
  std::vector<float> read(std::string_view name) const;
  void read(std::string_view name, std::span<float> values) const;
  void write(std::string_view name, std::span<const float> values) const;
  // The same in place, where it is f32 in host memory, as the CPU's are. Throws Error when it is not.
  float* data(std::string_view name) const { return data(id_of(name)); }
  float* data(ValueId id) const { return view(id).as<float>(); }
  // Of an input, an output or a variable. Throws Error when there is none of that name.
  ValueId id_of(std::string_view name) const;
  View view(ValueId id) const { return id == kNoValue ? View() : views_[static_cast<size_t>(id)]; }

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
    std::vector<View> inputs, outputs;
    std::byte* workspace = nullptr;
    bool in_prologue = false;  // depends on variables and constants alone
    bool is_prepared = false;  // its weight is there before all runs
    std::byte* prepared = nullptr;
  };

  void find_prologue();
  void choose_kernels(const ProgramOptions& options);
  void plan_memory();
  void bind_constants();
  size_t elements_of(ValueId id) const;
  size_t bytes_of(ValueId id) const;
  std::vector<TensorType> stored_types(const std::vector<ValueId>& ids) const;
  NodeSpec spec_of(size_t index) const;
  size_t prepared_bytes(size_t index) const;
  void make_room_to_prepare();
  void share_prepared();
  void run_prologue();
  void run_step(size_t index, const StepScalars& step);
  std::vector<std::byte*> guards_of(size_t index) const;
  void run_guarded(size_t index, const StepScalars& step);

  Graph graph_;
  const Backend* backend_;
  ThreadTeamPtr team_;
  std::vector<Step> steps_;
  std::vector<NodeReport> reports_;
  size_t guard_ = 0;
  size_t arena_bytes_ = 0;
  std::vector<size_t> block_of_value_;  // into block_offsets_; kNoBlock: not in the arena
  std::vector<size_t> block_offsets_;
  std::vector<size_t> workspace_block_;  // of each node
  std::vector<size_t> lasting_offsets_;  // of each value into lasting_; kNoBlock: it is not there
  size_t lasting_bytes_ = 0;
  Buffer lasting_;  // constants, and what the prologue makes
  PreparedWeights* shared_;
  Buffer prepared_;  // what the kernels made of weights
  std::vector<std::shared_ptr<const Buffer>> shared_blocks_;
  std::vector<View> views_;
  std::byte* arena_ = nullptr;
};

}  // namespace convoy
