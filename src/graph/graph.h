// The graph of a step: values, and nodes in the order they run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/builder.h"
#include "convoy/gradient.h"
#include "convoy/op.h"

namespace convoy {

enum class ValueKind : uint8_t {
  input,       // filled by the caller before each run
  parameter,   // trained; lives from step to step, under its name
  state,       // lives from step to step, under its name
  constant,    // every element is `start.value`
  activation,  // the result of a node
};

struct ValueInfo {
  std::string name = {};  // empty for activations
  TensorType type;
  ValueKind kind = ValueKind::activation;
  Initializer start;                     // parameter, state, constant
  FileLayout layout = FileLayout::same;  // parameter, state
  Role role = Role::other;               // parameter

  // Whether it lives from step to step, under its name.
  bool is_variable() const { return kind == ValueKind::parameter || kind == ValueKind::state; }
};

struct Node {
  std::shared_ptr<const Op> op;
  std::vector<ValueId> inputs;   // kNoValue where an optional input is absent
  std::vector<ValueId> outputs;  // kNoValue where an optional output is absent
};

// The node's op where it is a T, or a kind of it; null where it is not.
template <class T>
const T* op_as(const Node& node) {
  return dynamic_cast<const T*>(node.op.get());
}

// Values keep their ids for the life of the graph; nodes are a list that passes edit.
class Graph {
 public:
  explicit Graph(Mode mode) : mode_(mode) {}

  Mode mode() const { return mode_; }

  ValueId add_input(std::string name, TensorType type);
  ValueId add_parameter(std::string name, const Shape& shape, Initializer start, FileLayout layout,
                        Role role = Role::other, DType type = DType::f32);
  ValueId add_state(std::string name, const Shape& shape, Initializer start, FileLayout layout = FileLayout::same);
  ValueId add_constant(const Shape& shape, float value);
  // Appends a node, types inferred, and returns its outputs.
  std::vector<ValueId> add_node(std::shared_ptr<const Op> op, std::vector<ValueId> inputs);
  // The same without appending: for passes that place the node themselves.
  Node make_node(std::shared_ptr<const Op> op, std::vector<ValueId> inputs);

  const ValueInfo& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  ValueId value_count() const { return static_cast<ValueId>(values_.size()); }
  const std::vector<Node>& nodes() const { return nodes_; }
  std::vector<Node>& nodes() { return nodes_; }

  // Makes a value, the result of a node that is gone, an input of that name.
  void make_input(ValueId id, std::string name);

  // Values that the caller reads after a run, by name; passes keep them.
  void set_output(std::string name, ValueId id) { outputs_[std::move(name)] = id; }
  void clear_outputs() { outputs_.clear(); }
  const std::map<std::string, ValueId, std::less<>>& outputs() const { return outputs_; }
  // Throws Error when there is no output, input, parameter or state of that name.
  ValueId output(std::string_view name) const;
  ValueId named(std::string_view name) const;
  // kNoValue when there is none.
  ValueId find_named(std::string_view name) const;
  // Parameters in the order they were added.
  std::vector<ValueId> parameters() const;

  std::vector<TensorType> types(std::span<const ValueId> ids) const;

  // One line a node: "%7 = conv2d(%3, conv1.weight, -) stride=2x2 : 16x112x112x64".
  std::string to_string() const;

 private:
  ValueId add_value(ValueInfo info);
  ValueId add_named(ValueInfo info);
  std::string label(ValueId id) const;

  Mode mode_;
  std::vector<ValueInfo> values_;
  std::vector<Node> nodes_;
  std::map<std::string, ValueId, std::less<>> by_name_;
  std::map<std::string, ValueId, std::less<>> outputs_;
};

}  // namespace convoy
