// The rule by which an op is differentiated.
//
// Threads: a graph and what builds it belong to one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "convoy/export_macro.h"
#include "convoy/op.h"

namespace convoy {

class Graph;
struct Node;

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;

// What an op's gradient rule sees: its node, the gradients that arrived at the outputs, and which gradients are asked.
class CONVOY_API GradientScope {
 public:
  GradientScope(Graph& graph, const Node& node, std::vector<ValueId> grad_outputs, std::vector<bool> wanted);

  ValueId input(int i) const;
  ValueId output(int i) const;
  // The gradient of output i; kNoValue when nothing downstream uses that output.
  ValueId grad_output(int i) const { return grad_outputs_[static_cast<size_t>(i)]; }
  // Whether anybody needs the gradient of input i.
  bool wants(int i) const { return wanted_[static_cast<size_t>(i)]; }
  const Shape& shape(ValueId id) const;

  // Appends a node and returns its outputs.
  std::vector<ValueId> add(std::shared_ptr<const Op> op, std::vector<ValueId> inputs);
  void set_grad_input(int i, ValueId gradient) { grad_inputs_[static_cast<size_t>(i)] = gradient; }
  const std::vector<ValueId>& grad_inputs() const { return grad_inputs_; }

 private:
  Graph& graph_;
  const Node& node_;
  std::vector<ValueId> grad_outputs_;
  std::vector<bool> wanted_;
  std::vector<ValueId> grad_inputs_;
};

}  // namespace convoy
