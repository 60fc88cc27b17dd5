#include "inference/graph_walk.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "graph/copy.h"
#include "inference/arena.h"

namespace convoy {
namespace {

bool is_made_while_running(const ValueInfo& info) {
  return info.kind == ValueKind::input || info.kind == ValueKind::activation;
}

size_t bytes_of(const TensorType& type) { return static_cast<size_t>(type.shape.elements() * size_of(type.dtype)); }

}  // namespace

GraphWalk::GraphWalk(const Graph& graph, const Variables& variables)
    : graph_(&graph), last_use_(static_cast<size_t>(graph.value_count()), 0), values_(last_use_.size()) {
  size_t bytes = 0;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    programs_.push_back(program_of(graph.nodes()[i]));
    bytes = std::max(bytes, programs_.back()->arena_bytes());
    for (const ValueId id : graph.nodes()[i].inputs) {
      if (id != kNoValue) last_use_[static_cast<size_t>(id)] = i;
    }
  }
  for (const auto& [name, id] : graph.outputs()) last_use_[static_cast<size_t>(id)] = graph.nodes().size();
  arena_ = make_arena(bytes, "running the network layer by layer");
  for (const auto& program : programs_) program->bind(variables, arena_);
}

std::unique_ptr<Program> GraphWalk::program_of(const Node& node) const {
  Graph alone(graph_->mode());
  std::map<ValueId, ValueId> places = {{kNoValue, kNoValue}};
  for (const ValueId id : node.inputs) {
    if (places.contains(id)) continue;
    const ValueInfo& info = graph_->value(id);
    places[id] = is_made_while_running(info) ? alone.add_input(std::to_string(id), info.type) : add_copy(alone, info);
  }
  std::vector<ValueId> inputs;
  for (const ValueId id : node.inputs) inputs.push_back(places[id]);
  const std::vector<ValueId> outputs = alone.add_node(node.op, inputs);
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != kNoValue) alone.set_output(std::to_string(node.outputs[i]), outputs[i]);
  }
  return std::make_unique<Program>(std::move(alone), ProgramOptions{.exact = true});
}

void GraphWalk::start(std::span<const float> images) {
  next_ = 0;
  for (auto& value : values_) value.clear();
  const auto bytes = std::as_bytes(images);
  values_[static_cast<size_t>(graph_->named("images"))].assign(bytes.begin(), bytes.end());
}

const Node& GraphWalk::step() {
  const Node& node = graph_->nodes()[next_];
  Program& program = *programs_[next_];
  const auto place = [&](ValueId id) { return program.view(program.id_of(std::to_string(id))).data; };
  for (const ValueId id : node.inputs) {
    if (id == kNoValue || !is_made_while_running(graph_->value(id))) continue;
    const std::vector<std::byte>& value = values_[static_cast<size_t>(id)];
    std::memcpy(place(id), value.data(), value.size());
  }
  program.run({});
  for (const ValueId id : node.outputs) {
    if (id == kNoValue || last_use_[static_cast<size_t>(id)] <= next_) continue;
    const std::byte* made = place(id);
    values_[static_cast<size_t>(id)].assign(made, made + bytes_of(graph_->value(id).type));
  }
  for (const ValueId id : node.inputs) {
    if (id != kNoValue && last_use_[static_cast<size_t>(id)] == next_) {
      std::vector<std::byte>().swap(values_[static_cast<size_t>(id)]);
    }
  }
  ++next_;
  return node;
}

std::span<float> GraphWalk::value(ValueId id) {
  std::vector<std::byte>& bytes = values_[static_cast<size_t>(id)];
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

}  // namespace convoy
