#include "graph/graph.h"

#include <fmt/format.h>

#include "convoy/error.h"

namespace convoy {

ValueId Graph::add_value(ValueInfo info) {
  values_.push_back(std::move(info));
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Graph::add_named(ValueInfo info) {
  const auto [place, is_new] = by_name_.emplace(info.name, value_count());
  if (!is_new)
    throw InternalError(fmt::format("graph: there is already a tensor named '{}'; names must differ", info.name));
  return add_value(std::move(info));
}

ValueId Graph::add_input(std::string name, TensorType type) {
  return add_named({std::move(name), type, ValueKind::input, {}, FileLayout::same, Role::other});
}

ValueId Graph::add_parameter(std::string name, const Shape& shape, Initializer start, FileLayout layout, Role role,
                             DType type) {
  return add_named({std::move(name), {shape, type}, ValueKind::parameter, start, layout, role});
}

ValueId Graph::add_state(std::string name, const Shape& shape, Initializer start, FileLayout layout) {
  return add_named({std::move(name), {shape}, ValueKind::state, start, layout, Role::other});
}

ValueId Graph::add_constant(const Shape& shape, float value) {
  return add_value({{}, {shape}, ValueKind::constant, Initializer::constant(value), FileLayout::same, Role::other});
}

Node Graph::make_node(std::shared_ptr<const Op> op, std::vector<ValueId> inputs) {
  Node node{std::move(op), std::move(inputs), {}};
  const std::vector<TensorType> input_types = types(node.inputs);
  check_slots(*node.op, input_types);
  for (const TensorType& type : node.op->infer(input_types)) {
    node.outputs.push_back(
        type.present ? add_value({{}, type, ValueKind::activation, {}, FileLayout::same, Role::other}) : kNoValue);
  }
  return node;
}

std::vector<ValueId> Graph::add_node(std::shared_ptr<const Op> op, std::vector<ValueId> inputs) {
  nodes_.push_back(make_node(std::move(op), std::move(inputs)));
  return nodes_.back().outputs;
}

void Graph::make_input(ValueId id, std::string name) {
  if (!by_name_.emplace(name, id).second) {
    throw InternalError(fmt::format("graph: there is already a tensor named '{}'; names must differ", name));
  }
  ValueInfo& info = values_[static_cast<size_t>(id)];
  info.name = std::move(name);
  info.kind = ValueKind::input;
}

ValueId Graph::find_named(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? kNoValue : found->second;
}

ValueId Graph::named(std::string_view name) const {
  const ValueId id = find_named(name);
  if (id == kNoValue) throw InternalError(fmt::format("graph: there is no tensor named '{}'", name));
  return id;
}

ValueId Graph::output(std::string_view name) const {
  const auto found = outputs_.find(name);
  if (found == outputs_.end()) throw InternalError(fmt::format("graph: there is no output named '{}'", name));
  return found->second;
}

std::vector<ValueId> Graph::parameters() const {
  std::vector<ValueId> ids;
  for (ValueId id = 0; id < value_count(); ++id) {
    if (value(id).kind == ValueKind::parameter) ids.push_back(id);
  }
  return ids;
}

std::vector<TensorType> Graph::types(std::span<const ValueId> ids) const {
  std::vector<TensorType> types;
  types.reserve(ids.size());
  for (const ValueId id : ids) types.push_back(id == kNoValue ? TensorType::absent() : value(id).type);
  return types;
}

std::string Graph::label(ValueId id) const {
  if (id == kNoValue) return "-";
  const ValueInfo& info = value(id);
  if (info.kind == ValueKind::constant) return fmt::format("{}", info.start.value);
  return info.name.empty() ? fmt::format("%{}", id) : info.name;
}

std::string Graph::to_string() const {
  std::string text;
  const auto labels = [this](const std::vector<ValueId>& ids) {
    std::vector<std::string> parts;
    for (const ValueId id : ids) parts.push_back(label(id));
    return fmt::format("{}", fmt::join(parts, ", "));
  };
  for (const Node& node : nodes_) {
    std::vector<std::string> shapes;
    for (const ValueId id : node.outputs) shapes.push_back(id == kNoValue ? "-" : value(id).type.shape.to_string());
    const std::string attributes = convoy::to_string(node.op->attributes());
    text += fmt::format("{} = {}({}){}{} : {}\n", node.outputs.empty() ? "-" : labels(node.outputs), node.op->name(),
                        labels(node.inputs), attributes.empty() ? "" : " ", attributes, fmt::join(shapes, ", "));
  }
  for (const auto& [name, id] : outputs_) text += fmt::format("output {} = {}\n", name, label(id));
  return text;
}

const Shape& Value::shape() const { return graph_->value(id_).type.shape; }

Builder Builder::operator/(std::string_view name) const { return {graph_, this->name(name)}; }

Mode Builder::mode() const { return graph_->mode(); }

std::string Builder::name(std::string_view leaf) const {
  return prefix_.empty() || leaf.empty() ? prefix_ + std::string(leaf) : fmt::format("{}.{}", prefix_, leaf);
}

Value Builder::parameter(std::string_view leaf, const Shape& shape, Initializer start, FileLayout layout, Role role,
                         DType type) const {
  return {graph_, graph_->add_parameter(name(leaf), shape, start, layout, role, type)};
}

Value Builder::state(std::string_view leaf, const Shape& shape, Initializer start, FileLayout layout) const {
  return {graph_, graph_->add_state(name(leaf), shape, start, layout)};
}

}  // namespace convoy
