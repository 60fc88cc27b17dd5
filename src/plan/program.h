// A graph made ready to run: kernels chosen, memory laid out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/backends.h"
#include "core/buffer.h"
#include "core/parallel.h"
#include "graph/graph.h"
#include "plan/blocks.h"
#include "plan/prepared_weights.h"
#include "plan/stripes.h"
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
  // As what maps are stored (plan/maps.h): f32 or bf16. `handed` are more of them, inputs and outputs.
  DType maps = DType::f32;
  std::vector<ValueId> handed = {};
  StripeLimits stripes = {};
  int frames = 1;  // runs that may go on at once, each with memory of its own; more than 1: of a team of one thread
  bool widened = false;  // for tests: whatever kernels there are, those of f32 compute what is stored as bf16
  int passed_over = 0;   // for tests: so many of the kernels that take a node are not, as long as one is left
};

// Runs a graph. Construction plans; bind() gives it memory; run() allocates nothing.
class Program {
 public:
  // Bytes behind every tensor that guarded programs check after each node.
  static constexpr size_t kGuardBytes = 64;

  struct NodeReport {
    std::string kernel;                // the one chosen
    bool widened = false;              // it takes f32: bf16 maps are copied to floats before it, and back behind it
    bool striped = false;              // it computes a stripe of rows at a time (plan/stripes.h)
    std::vector<std::string> refused;  // "name: why" of those preferred to it
    size_t workspace = 0;
  };

  // Chooses a kernel for every node. Throws Error when no kernel of the backend takes one.
  explicit Program(Graph graph, const ProgramOptions& options = {});

  const Graph& graph() const { return graph_; }
  const Backend& backend() const { return *backend_; }
  // The arena this program needs, for all its frames.
  size_t arena_bytes() const { return frames_.size() * frame_bytes_; }
  // What a frame of it is laid out from.
  StepMemory step_memory() const;
  // Resolves every tensor: parameters and states in `variables`, the rest in `arena` from `offset` on, a multiple of
  // Buffer::kAlignment, which other programs may share as long as they do not run at the same time. Both are memory of
  // the program's backend and must outlive it. Throws Error when the arena is too small, a variable is missing, or they
  // are another backend's.
  void bind(const Variables& variables, Buffer& arena, size_t offset = 0);
  // From now on a frame's runs have this input or output at `data`, aligned to 4 bytes or more.
  void point(size_t frame, ValueId id, std::byte* data);

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
  View view(ValueId id, size_t frame = 0) const {
    return id == kNoValue ? View() : frames_[frame].views[static_cast<size_t>(id)];
  }

  // Runs with the team that was current when the program was planned, which its scratch memory is for. Throws Error
  // when a guarded program's kernel wrote where it must not.
  void run(const StepScalars& step, size_t frame);
  void run(const StepScalars& step) { run(step, 0); }
  // The same with a clock on every node.
  void run_profiled(const StepScalars& step, size_t frame);
  void run_profiled(const StepScalars& step) { run_profiled(step, 0); }

  DType stored_as(ValueId id) const { return stored_[static_cast<size_t>(id)]; }
  // Whether a value is never whole: of it there are some rows at a time.
  bool is_between_stripes(ValueId id) const { return between_stripes_[static_cast<size_t>(id)]; }
  const std::vector<NodeReport>& reports() const { return reports_; }
  size_t frames() const { return frames_.size(); }
  // Spent in a node in the profiled runs of all frames.
  double seconds(size_t node) const;

 private:
  static constexpr size_t kNoStripes = std::numeric_limits<size_t>::max();

  struct Step {
    const Kernel* kernel = nullptr;
    std::vector<TensorType> input_types, output_types;  // as the kernel takes them
    size_t widened = 0;                                 // offset in the workspace of the floats of bf16 maps; 0: none
    bool in_prologue = false;                           // depends on variables and constants alone
    bool is_prepared = false;                           // its weight is there before all runs
    size_t stripes = kNoStripes;                        // those that it is part of
  };
  // The memory of a run.
  struct Frame {
    struct StepMemory {
      std::vector<View> inputs, outputs;
      std::vector<View> wide_inputs, wide_outputs;  // of a widened step, as the kernel takes them
      std::byte* workspace = nullptr;
    };
    std::vector<View> views;  // of each value
    std::vector<StepMemory> steps;
    std::vector<double> seconds;  // of each step's profiled runs
  };

  void find_prologue();
  void choose_kernels(const ProgramOptions& options);
  void choose_stripes(const ProgramOptions& options);
  void plan_memory();
  void bind_frame(Frame& frame, const Variables& variables, std::byte* arena);
  void bind_widened(Frame& frame, size_t index);
  void bind_constants();
  size_t elements_of(ValueId id) const;
  size_t bytes_of(ValueId id) const;
  std::vector<TensorType> stored_types(const std::vector<ValueId>& ids) const;
  void choose_kernel(size_t index, const ProgramOptions& options, NodeReport& report);
  size_t plan_widening(size_t index, size_t workspace);
  NodeSpec spec_of(size_t index) const;
  size_t prepared_bytes(size_t index) const;
  void make_room_to_prepare();
  void share_prepared();
  void run_prologue();
  // Whether the step runs by itself, or is the first of its stripes, with which the others run.
  bool leads(size_t index) const;
  // The step or its stripes, with a clock where there are `seconds` of every step.
  void run_step(size_t index, const StepScalars& step, const Frame& frame, std::span<double> seconds = {});
  void run_node(size_t index, const StepScalars& step, const Frame& frame);
  std::vector<std::byte*> guards_of(size_t index, const Frame& frame) const;
  void run_guarded(size_t index, const StepScalars& step, const Frame& frame);

  Graph graph_;
  const Backend* backend_;
  std::vector<DType> stored_;  // as what each value is
  ThreadTeamPtr team_;
  std::vector<Step> steps_;
  std::vector<std::byte*> prepared_of_;  // of each step; null: nothing
  std::vector<PlannedNode> planned_;     // of each step, where there are stripes
  std::vector<Stripes> stripes_;
  std::vector<bool> between_stripes_;  // of each value
  std::vector<NodeReport> reports_;
  size_t guard_ = 0;
  size_t frame_bytes_ = 0;
  std::vector<size_t> block_of_value_;  // into block_offsets_; kNoBlock: not in the arena
  std::vector<size_t> block_offsets_;
  std::vector<size_t> workspace_block_;  // of each node
  std::vector<size_t> lasting_offsets_;  // of each value into lasting_; kNoBlock: it is not there
  size_t lasting_bytes_ = 0;
  Buffer lasting_;  // constants, and what the prologue makes
  PreparedWeights* shared_;
  Buffer prepared_;  // what the kernels made of weights
  std::vector<std::shared_ptr<const Buffer>> shared_blocks_;
  std::vector<Frame> frames_;
};

}  // namespace convoy
