#include "plan/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "convoy/error.h"
#include "core/parallel.h"
#include "plan/memory.h"

namespace convoy {
namespace {

constexpr size_t kNoBlock = std::numeric_limits<size_t>::max();
constexpr std::byte kGuardPattern{0xA5};

size_t bytes_of(const TensorType& type) { return static_cast<size_t>(type.shape.elements() * size_of(type.dtype)); }

// The blocks of the arena, and which of them each value has.
struct Blocks {
  std::vector<Lifetime> lifetimes;
  std::vector<size_t> of_value;

  size_t add(size_t bytes, int first, int last) {
    lifetimes.push_back({bytes, first, last});
    return lifetimes.size() - 1;
  }
};

// The position of each value's last reader; values that the caller reads live to the end.
std::vector<int> last_uses(const Graph& graph) {
  std::vector<int> last(static_cast<size_t>(graph.value_count()), -1);
  for (size_t position = 0; position < graph.nodes().size(); ++position) {
    for (const ValueId id : graph.nodes()[position].inputs) {
      if (id != kNoValue) last[static_cast<size_t>(id)] = static_cast<int>(position);
    }
  }
  for (const auto& [name, id] : graph.outputs()) {
    last[static_cast<size_t>(id)] = static_cast<int>(graph.nodes().size());
  }
  return last;
}

// Lets an output take over the block of an input that dies at this node, where the op allows it.
size_t inherited_block(const Graph& graph, const Node& node, int output, int position, const Blocks& blocks,
                       std::span<const size_t> taken) {
  for (const auto& [out, in] : node.op->in_place()) {
    const ValueId source = node.inputs[static_cast<size_t>(in)];
    if (out != output || source == kNoValue) continue;
    const size_t block = blocks.of_value[static_cast<size_t>(source)];
    if (block == kNoBlock || blocks.lifetimes[block].last != position) continue;
    if (std::find(taken.begin(), taken.end(), block) != taken.end()) continue;
    if (std::count(node.inputs.begin(), node.inputs.end(), source) > 1) continue;
    const ValueId target = node.outputs[static_cast<size_t>(output)];
    if (blocks.lifetimes[block].bytes >= bytes_of(graph.value(target).type)) return block;
  }
  return kNoBlock;
}

Blocks assign_blocks(const Graph& graph, size_t guard) {
  Blocks blocks;
  blocks.of_value.assign(static_cast<size_t>(graph.value_count()), kNoBlock);
  const std::vector<int> last = last_uses(graph);
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    const auto index = static_cast<size_t>(id);
    if (info.kind == ValueKind::input) {
      blocks.of_value[index] = blocks.add(bytes_of(info.type) + guard, -1, std::max(last[index], 0));
    }
  }
  for (size_t position = 0; position < graph.nodes().size(); ++position) {
    const Node& node = graph.nodes()[position];
    const int now = static_cast<int>(position);
    std::vector<size_t> taken;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      const auto index = static_cast<size_t>(node.outputs[i]);
      const int end = std::max(last[index], now);
      size_t block = inherited_block(graph, node, static_cast<int>(i), now, blocks, taken);
      if (block == kNoBlock) {
        block = blocks.add(bytes_of(graph.value(node.outputs[i]).type) + guard, now, end);
      } else {
        blocks.lifetimes[block].last = end;
        taken.push_back(block);
      }
      blocks.of_value[index] = block;
    }
  }
  return blocks;
}

}  // namespace

Program::Program(Graph graph, ProgramOptions options)
    : graph_(std::move(graph)), team_(current_team()), guard_(options.guarded ? kGuardBytes : 0) {
  choose_kernels(options.exact, options.prepared);
  plan_memory();
}

void Program::choose_kernels(bool exact, bool prepared) {
  for (const Node& node : graph_.nodes()) {
    Step step;
    step.input_types = graph_.types(node.inputs);
    step.output_types = graph_.types(node.outputs);
    step.is_prepared =
        prepared && node.inputs.size() > 1 && node.inputs[1] != kNoValue && graph_.value(node.inputs[1]).is_variable();
    const NodeSpec spec{*node.op, step.input_types, step.output_types, step.is_prepared};
    NodeReport report;
    for (const Kernel& kernel : node.op->kernels()) {
      std::string why = kernel.refuse == nullptr ? std::string() : kernel.refuse(spec);
      if (exact && kernel.approximate) why = "not exact";
      if (why.empty()) {
        step.kernel = &kernel;
        break;
      }
      report.refused.push_back(fmt::format("{}: {}", kernel.name, why));
    }
    if (step.kernel == nullptr) {
      throw Error(fmt::format("{}: no kernel takes {} ({})", node.op->name(), node.op->attributes(),
                              fmt::join(report.refused, "; ")));
    }
    report.kernel = step.kernel->name;
    report.workspace = step.kernel->workspace == nullptr ? 0 : step.kernel->workspace(spec);
    reports_.push_back(std::move(report));
    steps_.push_back(std::move(step));
  }
}

void Program::plan_memory() {
  Blocks blocks = assign_blocks(graph_, guard_);
  for (size_t position = 0; position < reports_.size(); ++position) {
    const size_t bytes = reports_[position].workspace;
    const int now = static_cast<int>(position);
    workspace_block_.push_back(bytes == 0 ? kNoBlock : blocks.add(bytes + guard_, now, now));
  }
  MemoryLayout layout = lay_out(blocks.lifetimes);
  arena_bytes_ = layout.bytes;
  block_of_value_ = std::move(blocks.of_value);
  block_offsets_ = std::move(layout.offsets);
}

void Program::bind(const Variables& variables, Buffer& arena) {
  if (arena.size() < arena_bytes_) {
    throw Error(fmt::format("memory: the arena has {} bytes, the program needs {}", arena.size(), arena_bytes_));
  }
  arena_ = arena.data();
  size_t constant_bytes = 0;
  for (ValueId id = 0; id < graph_.value_count(); ++id) {
    if (graph_.value(id).kind == ValueKind::constant) constant_bytes += bytes_of(graph_.value(id).type);
  }
  constants_ = Buffer(constant_bytes);
  float* constant = constants_.floats();

  pointers_.assign(static_cast<size_t>(graph_.value_count()), nullptr);
  for (ValueId id = 0; id < graph_.value_count(); ++id) {
    const ValueInfo& info = graph_.value(id);
    std::byte*& pointer = pointers_[static_cast<size_t>(id)];
    if (const size_t block = block_of_value_[static_cast<size_t>(id)]; block != kNoBlock) {
      pointer = arena_ + block_offsets_[block];
    } else if (info.is_variable()) {
      pointer = reinterpret_cast<std::byte*>(variables.at(info.name).data);
    } else if (info.kind == ValueKind::constant) {
      pointer = reinterpret_cast<std::byte*>(constant);
      constant = std::fill_n(constant, info.type.shape.elements(), info.start.value);
    }
  }
  const auto pointer_of = [this](ValueId id) { return id == kNoValue ? nullptr : pointers_[static_cast<size_t>(id)]; };
  for (size_t position = 0; position < steps_.size(); ++position) {
    const Node& node = graph_.nodes()[position];
    Step& step = steps_[position];
    step.inputs.resize(node.inputs.size());
    step.outputs.resize(node.outputs.size());
    std::transform(node.inputs.begin(), node.inputs.end(), step.inputs.begin(), pointer_of);
    std::transform(node.outputs.begin(), node.outputs.end(), step.outputs.begin(), pointer_of);
    const size_t block = workspace_block_[position];
    step.workspace = block == kNoBlock ? nullptr : arena_ + block_offsets_[block];
  }
}

NodeSpec Program::spec_of(size_t index) const {
  const Step& step = steps_[index];
  return {*graph_.nodes()[index].op, step.input_types, step.output_types, step.is_prepared};
}

size_t Program::prepared_bytes(size_t index) const {
  const Step& step = steps_[index];
  if (!step.is_prepared || step.kernel->prepared_bytes == nullptr) return 0;
  const size_t bytes = step.kernel->prepared_bytes(spec_of(index));
  return (bytes + Buffer::kAlignment - 1) / Buffer::kAlignment * Buffer::kAlignment;
}

void Program::prepare() {
  if (prepared_.size() == 0) {
    size_t bytes = 0;
    for (size_t index = 0; index < steps_.size(); ++index) bytes += prepared_bytes(index);
    prepared_ = Buffer(bytes);
    std::byte* next = prepared_.data();
    for (size_t index = 0; index < steps_.size(); ++index) {
      const size_t needed = prepared_bytes(index);
      if (needed > 0) steps_[index].prepared = std::exchange(next, next + needed);
    }
  }
  const TeamScope scope(*team_);
  for (size_t index = 0; index < steps_.size(); ++index) {
    const Step& step = steps_[index];
    if (step.prepared == nullptr) continue;
    step.kernel->prepare(spec_of(index), step.inputs[1], step.prepared);
  }
}

float* Program::data(std::string_view name) const {
  const ValueId id = graph_.find_named(name);
  return data(id == kNoValue ? graph_.output(name) : id);
}

void Program::run_step(size_t index, const StepScalars& step) {
  const Step& planned = steps_[index];
  planned.kernel->run(spec_of(index), {planned.inputs, planned.outputs, planned.workspace, step, planned.prepared});
}

void Program::run(const StepScalars& step) {
  const TeamScope scope(*team_);
  for (size_t index = 0; index < steps_.size(); ++index) {
    guard_ == 0 ? run_step(index, step) : run_guarded(index, step);
  }
}

void Program::run_profiled(const StepScalars& step) {
  const TeamScope scope(*team_);
  for (size_t index = 0; index < steps_.size(); ++index) {
    const auto start = std::chrono::steady_clock::now();
    run_step(index, step);
    reports_[index].seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
}

// The guards of a node lie behind its tensors in the arena and its workspace; nothing else lives there meanwhile.
std::vector<std::byte*> Program::guards_of(size_t index) const {
  std::vector<std::byte*> guards;
  const Node& node = graph_.nodes()[index];
  for (const std::vector<ValueId>* ids : {&node.inputs, &node.outputs}) {
    for (const ValueId id : *ids) {
      if (id == kNoValue || block_of_value_[static_cast<size_t>(id)] == kNoBlock) continue;
      guards.push_back(pointers_[static_cast<size_t>(id)] + bytes_of(graph_.value(id).type));
    }
  }
  if (steps_[index].workspace != nullptr) guards.push_back(steps_[index].workspace + reports_[index].workspace);
  return guards;
}

void Program::run_guarded(size_t index, const StepScalars& step) {
  const std::vector<std::byte*> guards = guards_of(index);
  for (std::byte* guard : guards) std::fill_n(guard, guard_, kGuardPattern);
  run_step(index, step);
  for (const std::byte* guard : guards) {
    if (!std::all_of(guard, guard + guard_, [](std::byte b) { return b == kGuardPattern; })) {
      throw Error(fmt::format("{}: kernel {} wrote behind one of its tensors", graph_.nodes()[index].op->name(),
                              reports_[index].kernel));
    }
  }
}

}  // namespace convoy
