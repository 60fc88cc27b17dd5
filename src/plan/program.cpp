#include "plan/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <numeric>
#include <utility>

#include "convoy/error.h"
#include "core/parallel.h"
#include "kernels/convert.h"
#include "plan/maps.h"
#include "plan/memory.h"

namespace convoy {
namespace {

constexpr std::byte kGuardPattern{0xA5};

// Why a kernel does not take a node's types; empty when it does.
std::string refused_type(const Kernel& kernel, const NodeSpec& spec) {
  for (const std::span<const TensorType> types : {spec.inputs, spec.outputs}) {
    for (const TensorType& type : types) {
      if (!type.present || std::ranges::find(kernel.accepts, type.dtype) != kernel.accepts.end()) continue;
      std::vector<std::string_view> names;
      for (const DType accepted : kernel.accepts) names.push_back(to_string(accepted));
      return fmt::format("it takes {}, not {}", fmt::join(names, " and "), to_string(type.dtype));
    }
  }
  return {};
}

std::string refusal(const Kernel& kernel, const NodeSpec& spec, bool exact) {
  if (exact && kernel.approximate) return "not exact";
  std::string why = refused_type(kernel, spec);
  if (why.empty() && kernel.refuse != nullptr) why = kernel.refuse(spec);
  return why;
}

// The types of a widened step.
std::vector<TensorType> widened_types(std::vector<TensorType> types) {
  for (TensorType& type : types) {
    if (type.dtype == DType::bf16) type.dtype = DType::f32;
  }
  return types;
}

size_t float_bytes(const TensorType& type) { return align(static_cast<size_t>(type.shape.elements()) * sizeof(float)); }

void require_count(std::string_view name, size_t expected, size_t got) {
  if (got != expected) throw InternalError(fmt::format("{}: expected {} values, got {}", name, expected, got));
}

}  // namespace

Program::Program(Graph graph, const ProgramOptions& options)
    : graph_(std::move(graph)),
      backend_(&options.backend),
      team_(current_team()),
      steps_(graph_.nodes().size()),
      prepared_of_(graph_.nodes().size()),
      between_stripes_(static_cast<size_t>(graph_.value_count())),
      guard_(options.guarded ? kGuardBytes : 0),
      shared_(options.shared),
      frames_(static_cast<size_t>(options.frames)) {
  if (options.frames > 1 && team_->size() > 1) throw InternalError("program: frames are run by teams of one thread");
  std::vector<bool> maps = maps_of(graph_);
  for (const ValueId id : options.handed) maps[static_cast<size_t>(id)] = true;
  for (ValueId id = 0; id < graph_.value_count(); ++id) {
    stored_.push_back(backend_->stored_as(maps[static_cast<size_t>(id)] ? options.maps : graph_.value(id).type.dtype));
  }
  if (options.prepared) find_prologue();
  choose_kernels(options);
  if (options.prepared && backend_ == &cpu_backend()) choose_stripes(options);
  plan_memory();
}

void Program::find_prologue() {
  std::vector<bool> lasts(static_cast<size_t>(graph_.value_count()));
  for (ValueId id = 0; id < graph_.value_count(); ++id) {
    const ValueInfo& info = graph_.value(id);
    lasts[static_cast<size_t>(id)] = info.is_variable() || info.kind == ValueKind::constant;
  }
  for (size_t index = 0; index < steps_.size(); ++index) {
    const Node& node = graph_.nodes()[index];
    const auto there = [&lasts](ValueId id) { return id == kNoValue || lasts[static_cast<size_t>(id)]; };
    steps_[index].is_prepared = node.inputs.size() > 1 && node.inputs[1] != kNoValue && there(node.inputs[1]);
    steps_[index].in_prologue = !node.outputs.empty() && std::ranges::all_of(node.inputs, there);
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) lasts[static_cast<size_t>(id)] = steps_[index].in_prologue;
    }
  }
}

size_t Program::elements_of(ValueId id) const { return static_cast<size_t>(graph_.value(id).type.shape.elements()); }

size_t Program::bytes_of(ValueId id) const {
  return elements_of(id) * static_cast<size_t>(size_of(stored_[static_cast<size_t>(id)]));
}

std::vector<TensorType> Program::stored_types(const std::vector<ValueId>& ids) const {
  std::vector<TensorType> types = graph_.types(ids);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] != kNoValue) types[i].dtype = stored_[static_cast<size_t>(ids[i])];
  }
  return types;
}

// The first kernel that takes the step's types.
void Program::choose_kernel(size_t index, const ProgramOptions& options, NodeReport& report) {
  Step& step = steps_[index];
  const NodeSpec spec = spec_of(index);
  int left_to_pass = options.passed_over;
  for (const Kernel& kernel : backend_->kernels(spec.op)) {
    const std::string why = refusal(kernel, spec, options.exact);
    if (why.empty()) {
      step.kernel = &kernel;
      if (left_to_pass-- == 0) break;
      continue;
    }
    report.refused.push_back(fmt::format("{}: {}", kernel.name, why));
  }
}

// Bytes of a workspace with room behind the kernel's for the floats of its bf16 maps.
size_t Program::plan_widening(size_t index, size_t workspace) {
  const Node& node = graph_.nodes()[index];
  size_t bytes = align(std::max<size_t>(workspace, 1));
  steps_[index].widened = bytes;
  for (const auto* ids : {&node.inputs, &node.outputs}) {
    for (const TensorType& type : stored_types(*ids)) {
      if (type.present && type.dtype == DType::bf16) bytes += float_bytes(type);
    }
  }
  return bytes;
}

void Program::choose_kernels(const ProgramOptions& options) {
  for (size_t index = 0; index < steps_.size(); ++index) {
    const Node& node = graph_.nodes()[index];
    Step& step = steps_[index];
    step.input_types = stored_types(node.inputs);
    step.output_types = stored_types(node.outputs);
    NodeReport report;
    if (!options.widened) choose_kernel(index, options, report);
    if (step.kernel == nullptr) {
      const auto stored = std::pair(step.input_types, step.output_types);
      step.input_types = widened_types(step.input_types);
      step.output_types = widened_types(step.output_types);
      report.widened = stored != std::pair(step.input_types, step.output_types);
      if (report.widened || options.widened) choose_kernel(index, options, report);
    }
    if (step.kernel == nullptr) {
      throw InternalError(
          fmt::format("{}: no kernel of the backend '{}' takes it ({})", node.op->name(), backend_->name(),
                      report.refused.empty() ? "it has none" : fmt::format("{}", fmt::join(report.refused, "; "))));
    }
    report.kernel = step.kernel->name;
    report.workspace = step.kernel->workspace == nullptr ? 0 : step.kernel->workspace(spec_of(index));
    if (report.widened) report.workspace = plan_widening(index, report.workspace);
    reports_.push_back(std::move(report));
  }
}

void Program::choose_stripes(const ProgramOptions& options) {
  for (const Step& step : steps_) {
    planned_.push_back({step.kernel, step.input_types, step.output_types, step.is_prepared, step.in_prologue,
                        step.widened > 0 || options.widened});
  }
  stripes_ = Stripes::find(graph_, planned_, options.stripes);
  for (size_t i = 0; i < stripes_.size(); ++i) {
    for (const size_t node : stripes_[i].nodes()) {
      steps_[node].stripes = i;
      reports_[node].striped = true;
      reports_[node].workspace = 0;
    }
    reports_[stripes_[i].nodes().front()].workspace = stripes_[i].workspace_bytes();
    for (const ValueId id : stripes_[i].between()) between_stripes_[static_cast<size_t>(id)] = true;
  }
}

StepMemory Program::step_memory() const {
  StepMemory memory;
  memory.bytes.assign(static_cast<size_t>(graph_.value_count()), 0);
  const auto give_room = [&](ValueId id) { memory.bytes[static_cast<size_t>(id)] = bytes_of(id) + guard_; };
  for (ValueId id = 0; id < graph_.value_count(); ++id) {
    if (graph_.value(id).kind != ValueKind::input) continue;
    give_room(id);
    memory.inputs.push_back(id);
  }
  for (size_t index = 0; index < steps_.size(); ++index) {
    const Node& node = graph_.nodes()[index];
    const size_t workspace = reports_[index].workspace, striped = steps_[index].stripes;
    MemoryNode needs;
    needs.workspace = workspace == 0 ? 0 : workspace + guard_;
    if (striped == kNoStripes) {
      needs.inputs = node.inputs;
      needs.outputs = node.outputs;
      needs.in_place = node.op->in_place();
    } else if (leads(index)) {
      needs.inputs = stripes_[striped].inputs();
      needs.outputs = {stripes_[striped].output()};
    }
    for (const ValueId id : needs.outputs) {
      if (id != kNoValue && !steps_[index].in_prologue) give_room(id);
    }
    memory.nodes.push_back(std::move(needs));
  }
  for (const auto& [name, id] : graph_.outputs()) memory.outputs.push_back(id);
  return memory;
}

void Program::plan_memory() {
  lasting_offsets_.assign(static_cast<size_t>(graph_.value_count()), kNoBlock);
  const auto keep = [this](ValueId id) {
    lasting_offsets_[static_cast<size_t>(id)] = lasting_bytes_;
    lasting_bytes_ += align(bytes_of(id) + guard_);
  };
  for (ValueId id = 0; id < graph_.value_count(); ++id) {
    if (graph_.value(id).kind == ValueKind::constant) keep(id);
  }
  for (size_t index = 0; index < steps_.size(); ++index) {
    if (!steps_[index].in_prologue) continue;
    for (const ValueId id : graph_.nodes()[index].outputs) {
      if (id != kNoValue) keep(id);
    }
  }
  std::vector<int> order(steps_.size());
  std::iota(order.begin(), order.end(), 0);
  Blocks blocks = assign_blocks(step_memory(), order);
  MemoryLayout layout = lay_out(blocks.lifetimes);
  frame_bytes_ = align(layout.bytes);
  block_of_value_ = std::move(blocks.of_value);
  workspace_block_ = std::move(blocks.of_workspace);
  block_offsets_ = std::move(layout.offsets);
}

void Program::bind(const Variables& variables, Buffer& arena, size_t offset) {
  if (&variables.backend() != backend_) {
    throw InternalError(fmt::format("program: the variables are the backend '{}', it runs on '{}'",
                                    variables.backend().name(), backend_->name()));
  }
  if (arena.size() < offset + arena_bytes()) {
    throw InternalError(fmt::format("memory: the arena has {} bytes, the program needs {} from byte {} on",
                                    arena.size(), arena_bytes(), offset));
  }
  if (lasting_.size() < lasting_bytes_) lasting_ = backend_->allocate(lasting_bytes_);
  for (size_t i = 0; i < frames_.size(); ++i) {
    bind_frame(frames_[i], variables, arena.data() + offset + i * frame_bytes_);
  }
  bind_constants();
}

void Program::bind_frame(Frame& frame, const Variables& variables, std::byte* arena) {
  frame.views.assign(static_cast<size_t>(graph_.value_count()), {});
  for (ValueId id = 0; id < graph_.value_count(); ++id) {
    const ValueInfo& info = graph_.value(id);
    const auto index = static_cast<size_t>(id);
    frame.views[index].dtype = stored_[index];
    if (block_of_value_[index] != kNoBlock) {
      frame.views[index].data = arena + block_offsets_[block_of_value_[index]];
    } else if (lasting_offsets_[index] != kNoBlock) {
      frame.views[index].data = lasting_.data() + lasting_offsets_[index];
    } else if (info.is_variable()) {
      frame.views[index] = variables.at(info.name).view;
    }
  }
  const auto view_of = [&frame](ValueId id) { return id == kNoValue ? View() : frame.views[static_cast<size_t>(id)]; };
  frame.steps.resize(steps_.size());
  frame.seconds.resize(steps_.size());
  for (size_t position = 0; position < steps_.size(); ++position) {
    const Node& node = graph_.nodes()[position];
    Frame::StepMemory& memory = frame.steps[position];
    memory.inputs.resize(node.inputs.size());
    memory.outputs.resize(node.outputs.size());
    std::ranges::transform(node.inputs, memory.inputs.begin(), view_of);
    std::ranges::transform(node.outputs, memory.outputs.begin(), view_of);
    const size_t block = workspace_block_[position];
    memory.workspace = block == kNoBlock ? nullptr : arena + block_offsets_[block];
    if (steps_[position].widened > 0) bind_widened(frame, position);
  }
}

void Program::bind_widened(Frame& frame, size_t index) {
  Frame::StepMemory& memory = frame.steps[index];
  std::byte* next = memory.workspace + steps_[index].widened;
  const auto widen = [&next](const std::vector<View>& views, const std::vector<TensorType>& types) {
    std::vector<View> wide = views;
    for (size_t i = 0; i < wide.size(); ++i) {
      if (!types[i].present || views[i].dtype != DType::bf16) continue;
      wide[i] = {DType::f32, next};
      next += float_bytes(types[i]);
    }
    return wide;
  };
  memory.wide_inputs = widen(memory.inputs, steps_[index].input_types);
  memory.wide_outputs = widen(memory.outputs, steps_[index].output_types);
}

void Program::point(size_t frame, ValueId id, std::byte* data) {
  Frame& pointed = frames_[frame];
  pointed.views[static_cast<size_t>(id)].data = data;
  for (size_t position = 0; position < steps_.size(); ++position) {
    const Node& node = graph_.nodes()[position];
    Frame::StepMemory& memory = pointed.steps[position];
    const auto point_views = [&](const std::vector<ValueId>& ids, std::vector<View>& views, std::vector<View>& wide) {
      for (size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] != id) continue;
        views[i].data = data;
        if (!wide.empty() && views[i].dtype != DType::bf16) wide[i].data = data;
      }
    };
    point_views(node.inputs, memory.inputs, memory.wide_inputs);
    point_views(node.outputs, memory.outputs, memory.wide_outputs);
  }
}

void Program::bind_constants() {
  for (ValueId id = 0; id < graph_.value_count(); ++id) {
    const ValueInfo& info = graph_.value(id);
    if (info.kind == ValueKind::constant) backend_->upload(std::vector(elements_of(id), info.start.value), view(id));
  }
}

NodeSpec Program::spec_of(size_t index) const {
  const Step& step = steps_[index];
  return {*graph_.nodes()[index].op, step.input_types, step.output_types, step.is_prepared};
}

size_t Program::prepared_bytes(size_t index) const {
  const Step& step = steps_[index];
  if (!step.is_prepared || step.kernel->prepared_bytes == nullptr) return 0;
  return align(step.kernel->prepared_bytes(spec_of(index)));
}

void Program::make_room_to_prepare() {
  if (prepared_.size() > 0) return;
  size_t bytes = 0;
  for (size_t index = 0; index < steps_.size(); ++index) bytes += prepared_bytes(index);
  prepared_ = backend_->allocate(bytes);
  std::byte* next = prepared_.data();
  for (size_t index = 0; index < steps_.size(); ++index) {
    const size_t needed = prepared_bytes(index);
    if (needed > 0) prepared_of_[index] = std::exchange(next, next + needed);
  }
}

// A block is the same for programs that have the weight's name, the kernel, the op and all types in common.
void Program::share_prepared() {
  for (size_t index = 0; index < steps_.size(); ++index) {
    Step& step = steps_[index];
    const size_t bytes = prepared_bytes(index);
    const Node& node = graph_.nodes()[index];
    if (bytes == 0 || prepared_of_[index] != nullptr || !graph_.value(node.inputs[1]).is_variable()) continue;
    std::string key = fmt::format("{} {} {} {}", graph_.value(node.inputs[1]).name, step.kernel->name, node.op->name(),
                                  to_string(node.op->attributes()));
    for (const auto& types : {step.input_types, step.output_types}) {
      for (const TensorType& type : types) key.append(" ").append(type.present ? type.shape.to_string() : "-");
    }
    shared_blocks_.push_back(shared_->get(key, [&] {
      Buffer block = backend_->allocate(bytes);
      step.kernel->prepare(spec_of(index), frames_[0].steps[index].inputs[1], block.data());
      return block;
    }));
    prepared_of_[index] = shared_blocks_.back()->data();
  }
}

void Program::run_prologue() {
  for (size_t index = 0; index < steps_.size(); ++index) {
    if (steps_[index].in_prologue) run_step(index, {}, frames_[0]);
  }
}

void Program::prepare() {
  const TeamScope scope(*team_);
  if (shared_ != nullptr) {
    share_prepared();
  } else {
    make_room_to_prepare();
    for (size_t index = 0; index < steps_.size(); ++index) {
      const Step& step = steps_[index];
      if (prepared_of_[index] == nullptr) continue;
      step.kernel->prepare(spec_of(index), frames_[0].steps[index].inputs[1], prepared_of_[index]);
    }
  }
  run_prologue();
}

void Program::prepare(const WeightSource& weights) {
  const TeamScope scope(*team_);
  make_room_to_prepare();
  // Variables that are read otherwise than by being prepared, and the steps that prepare one.
  std::vector<bool> is_read(static_cast<size_t>(graph_.value_count()));
  std::vector<size_t> preparing;
  for (size_t index = 0; index < steps_.size(); ++index) {
    const std::vector<ValueId>& inputs = graph_.nodes()[index].inputs;
    const bool prepares = prepared_of_[index] != nullptr && graph_.value(inputs[1]).is_variable();
    if (prepares) preparing.push_back(index);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] != kNoValue && !(prepares && i == 1)) is_read[static_cast<size_t>(inputs[i])] = true;
    }
  }
  size_t most = 0;
  for (const size_t index : preparing) most = std::max(most, elements_of(graph_.nodes()[index].inputs[1]));
  // One for each thread: fresh memory costs more time than what is done in it.
  std::mutex mutex;
  std::vector<Buffer> scratch;
  const auto take_scratch = [&] {
    const std::scoped_lock lock(mutex);
    if (scratch.empty()) return Buffer(most * sizeof(float));
    Buffer last = std::move(scratch.back());
    scratch.pop_back();
    return last;
  };
  parallel_for_throwing(preparing.size(), [&](size_t i) {
    const size_t index = preparing[i];
    const Step& step = steps_[index];
    const ValueId weight = graph_.nodes()[index].inputs[1];
    Buffer values = take_scratch();
    const std::span<float> floats(values.floats(), elements_of(weight));
    weights(graph_.value(weight).name, floats);
    // In place: no element is wider than a float.
    const View stored{step.input_types[1].dtype, values.data()};
    if (stored.dtype != DType::f32) backend_->upload(floats, stored);
    step.kernel->prepare(spec_of(index), stored, prepared_of_[index]);
    const std::scoped_lock lock(mutex);
    scratch.push_back(std::move(values));
  });
  std::vector<ValueId> read;
  for (ValueId id = 0; id < graph_.value_count(); ++id) {
    if (graph_.value(id).is_variable() && is_read[static_cast<size_t>(id)]) read.push_back(id);
  }
  parallel_for_throwing(read.size(), [&](size_t i) {
    std::vector<float> values(elements_of(read[i]));
    weights(graph_.value(read[i]).name, values);
    backend_->upload(values, view(read[i]));
  });
  run_prologue();
}

ValueId Program::id_of(std::string_view name) const {
  const ValueId id = graph_.find_named(name);
  return id == kNoValue ? graph_.output(name) : id;
}

std::vector<float> Program::read(std::string_view name) const {
  std::vector<float> values(elements_of(id_of(name)));
  read(name, values);
  return values;
}

void Program::read(std::string_view name, std::span<float> values) const {
  const ValueId id = id_of(name);
  require_count(name, elements_of(id), values.size());
  backend_->download(view(id), values);
}

void Program::write(std::string_view name, std::span<const float> values) const {
  const ValueId id = id_of(name);
  require_count(name, elements_of(id), values.size());
  backend_->upload(values, view(id));
}

bool Program::leads(size_t index) const {
  const size_t striped = steps_[index].stripes;
  return striped == kNoStripes || stripes_[striped].nodes().front() == index;
}

void Program::run_step(size_t index, const StepScalars& step, const Frame& frame, std::span<double> seconds) {
  if (const size_t striped = steps_[index].stripes; striped != kNoStripes) {
    stripes_[striped].run(graph_, planned_, {frame.views, frame.steps[index].workspace, prepared_of_}, step, seconds);
    return;
  }
  if (seconds.empty()) return run_node(index, step, frame);
  const auto start = std::chrono::steady_clock::now();
  run_node(index, step, frame);
  backend_->synchronise();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  seconds[index] += taken.count();
}

void Program::run_node(size_t index, const StepScalars& step, const Frame& frame) {
  const Step& planned = steps_[index];
  const Frame::StepMemory& memory = frame.steps[index];
  if (planned.widened == 0) {
    planned.kernel->run(spec_of(index), {memory.inputs, memory.outputs, memory.workspace, step, prepared_of_[index]});
    return;
  }
  const auto each_wide = [](const std::vector<View>& stored, const std::vector<View>& wide,
                            const std::vector<TensorType>& types, const auto& convert) {
    for (size_t i = 0; i < stored.size(); ++i) {
      if (types[i].present && stored[i].dtype == DType::bf16) {
        convert(types[i].shape.elements(), stored[i].as<Bf16>(), wide[i].as<float>());
      }
    }
  };
  const kernels::ConvertKernels& convert = kernels::convert_kernels();
  each_wide(memory.inputs, memory.wide_inputs, planned.input_types, convert.widen);
  planned.kernel->run(spec_of(index),
                      {memory.wide_inputs, memory.wide_outputs, memory.workspace, step, prepared_of_[index]});
  each_wide(memory.outputs, memory.wide_outputs, planned.output_types,
            [&](int64_t count, Bf16* to, const float* from) { convert.narrow(count, from, to); });
}

void Program::run(const StepScalars& step, size_t frame) {
  const TeamScope scope(*team_);
  for (size_t index = 0; index < steps_.size(); ++index) {
    if (steps_[index].in_prologue || !leads(index)) continue;
    guard_ == 0 ? run_step(index, step, frames_[frame]) : run_guarded(index, step, frames_[frame]);
  }
  backend_->synchronise();
}

void Program::run_profiled(const StepScalars& step, size_t frame) {
  const TeamScope scope(*team_);
  for (size_t index = 0; index < steps_.size(); ++index) {
    if (steps_[index].in_prologue || !leads(index)) continue;
    run_step(index, step, frames_[frame], frames_[frame].seconds);
  }
}

double Program::seconds(size_t node) const {
  double sum = 0;
  for (const Frame& frame : frames_) sum += frame.seconds[node];
  return sum;
}

// The guards of a node lie behind its tensors in the arena and its workspace; nothing else lives there meanwhile.
std::vector<std::byte*> Program::guards_of(size_t index, const Frame& frame) const {
  std::vector<std::byte*> guards;
  const Node& node = graph_.nodes()[index];
  const size_t striped = steps_[index].stripes;
  const std::vector<ValueId>& inputs = striped == kNoStripes ? node.inputs : stripes_[striped].inputs();
  const std::vector<ValueId> outputs = striped == kNoStripes ? node.outputs : std::vector{stripes_[striped].output()};
  for (const std::vector<ValueId>* ids : {&inputs, &outputs}) {
    for (const ValueId id : *ids) {
      if (id == kNoValue || block_of_value_[static_cast<size_t>(id)] == kNoBlock) continue;
      guards.push_back(frame.views[static_cast<size_t>(id)].data + bytes_of(id));
    }
  }
  std::byte* workspace = frame.steps[index].workspace;
  if (workspace != nullptr) guards.push_back(workspace + reports_[index].workspace);
  return guards;
}

void Program::run_guarded(size_t index, const StepScalars& step, const Frame& frame) {
  const std::vector<std::byte*> guards = guards_of(index, frame);
  for (std::byte* guard : guards) std::fill_n(guard, guard_, kGuardPattern);
  run_step(index, step, frame);
  for (const std::byte* guard : guards) {
    if (!std::all_of(guard, guard + guard_, [](std::byte b) { return b == kGuardPattern; })) {
      throw InternalError(fmt::format("{}: kernel {} wrote behind one of its tensors", graph_.nodes()[index].op->name(),
                                      reports_[index].kernel));
    }
  }
}

}  // namespace convoy
