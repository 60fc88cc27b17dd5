// Reverse-mode differentiation: adds the nodes of the gradients to the graph they differentiate.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace convoy {

// What an op's gradient rule sees: its node, the gradients that arrived at the outputs, and which gradients are asked.
class GradientScope {
 public:
  GradientScope(Graph& graph, const Node& node, std::vector<ValueId> grad_outputs, std::vector<bool> wanted)
      : graph_(graph),
        node_(node),
        grad_outputs_(std::move(grad_outputs)),
        wanted_(std::move(wanted)),
        grad_inputs_(node.inputs.size(), kNoValue) {}

  ValueId input(int i) const { return node_.inputs[static_cast<size_t>(i)]; }
  ValueId output(int i) const { return node_.outputs[static_cast<size_t>(i)]; }
  // The gradient of output i; kNoValue when nothing downstream uses that output.
  ValueId grad_output(int i) const { return grad_outputs_[static_cast<size_t>(i)]; }
  // Whether anybody needs the gradient of input i.
  bool wants(int i) const { return wanted_[static_cast<size_t>(i)]; }
  const Shape& shape(ValueId id) const { return graph_.value(id).type.shape; }

  // Appends a node and returns its outputs.
  std::vector<ValueId> add(std::shared_ptr<const Op> op, std::vector<ValueId> inputs) {
    return graph_.add_node(std::move(op), std::move(inputs));
  }
  void set_grad_input(int i, ValueId gradient) { grad_inputs_[static_cast<size_t>(i)] = gradient; }
  const std::vector<ValueId>& grad_inputs() const { return grad_inputs_; }

 private:
  Graph& graph_;
  const Node& node_;
  std::vector<ValueId> grad_outputs_;
  std::vector<bool> wanted_;
  std::vector<ValueId> grad_inputs_;
};

// Adds the nodes that compute d(sum of seed.second * seed.first)/d(value) for every value in `wanted`, seed by seed a
// {value, its gradient}. Values that take part several times get their gradients added by `sum`, an op of any number
// of like-shaped inputs. Returns the gradient of each wanted value that the seeds depend on.
// Throws Error when an op on the way has no gradient rule.
std::map<ValueId, ValueId> differentiate(Graph& graph, std::span<const std::pair<ValueId, ValueId>> seeds,
                                         const std::set<ValueId>& wanted, const std::shared_ptr<const Op>& sum);

}  // namespace convoy
