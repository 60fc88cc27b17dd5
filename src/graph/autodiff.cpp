#include "graph/autodiff.h"

#include <fmt/format.h>

#include "convoy/error.h"

namespace convoy {

GradientScope::GradientScope(Graph& graph, const Node& node, std::vector<ValueId> grad_outputs,
                             std::vector<bool> wanted)
    : graph_(graph),
      node_(node),
      grad_outputs_(std::move(grad_outputs)),
      wanted_(std::move(wanted)),
      grad_inputs_(node.inputs.size(), kNoValue) {}

ValueId GradientScope::input(int i) const { return node_.inputs[static_cast<size_t>(i)]; }
ValueId GradientScope::output(int i) const { return node_.outputs[static_cast<size_t>(i)]; }
const Shape& GradientScope::shape(ValueId id) const { return graph_.value(id).type.shape; }

std::vector<ValueId> GradientScope::add(std::shared_ptr<const Op> op, std::vector<ValueId> inputs) {
  return graph_.add_node(std::move(op), std::move(inputs));
}

namespace {

// wanted and every value computed from it.
std::vector<bool> depends_on(const Graph& graph, const std::set<ValueId>& wanted) {
  std::vector<bool> depends(static_cast<size_t>(graph.value_count()), false);
  for (const ValueId id : wanted) depends[static_cast<size_t>(id)] = true;
  for (const Node& node : graph.nodes()) {
    bool any = false;
    for (const ValueId id : node.inputs) any = any || (id != kNoValue && depends[static_cast<size_t>(id)]);
    if (!any) continue;
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) depends[static_cast<size_t>(id)] = true;
    }
  }
  return depends;
}

// Gradients as they arrive, and their sum once it is asked for.
class Contributions {
 public:
  Contributions(Graph& graph, const std::shared_ptr<const Op>& sum) : graph_(graph), sum_(sum) {}

  void add(ValueId value, ValueId gradient) { parts_[value].push_back(gradient); }

  ValueId total(ValueId value) {
    const auto found = parts_.find(value);
    if (found == parts_.end()) return kNoValue;
    std::vector<ValueId>& parts = found->second;
    if (parts.size() > 1) parts = graph_.add_node(sum_, parts);
    return parts.front();
  }

 private:
  Graph& graph_;
  const std::shared_ptr<const Op>& sum_;
  std::map<ValueId, std::vector<ValueId>> parts_;
};

}  // namespace

std::map<ValueId, ValueId> differentiate(Graph& graph, std::span<const std::pair<ValueId, ValueId>> seeds,
                                         const std::set<ValueId>& wanted, const std::shared_ptr<const Op>& sum) {
  const std::vector<bool> depends = depends_on(graph, wanted);
  Contributions contributions(graph, sum);
  for (const auto& [value, gradient] : seeds) contributions.add(value, gradient);

  for (size_t position = graph.nodes().size(); position-- > 0;) {
    const Node node = graph.nodes()[position];
    std::vector<bool> asked;
    bool any_asked = false;
    for (const ValueId id : node.inputs) {
      asked.push_back(id != kNoValue && depends[static_cast<size_t>(id)]);
      any_asked = any_asked || asked.back();
    }
    if (!any_asked) continue;
    std::vector<ValueId> grad_outputs;
    bool any_gradient = false;
    for (const ValueId id : node.outputs) {
      grad_outputs.push_back(id == kNoValue ? kNoValue : contributions.total(id));
      any_gradient = any_gradient || grad_outputs.back() != kNoValue;
    }
    if (!any_gradient) continue;
    GradientScope scope(graph, node, std::move(grad_outputs), asked);
    node.op->gradient(scope);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (asked[i] && scope.grad_inputs()[i] != kNoValue) contributions.add(node.inputs[i], scope.grad_inputs()[i]);
    }
  }

  std::map<ValueId, ValueId> gradients;
  for (const ValueId id : wanted) {
    if (const ValueId gradient = contributions.total(id); gradient != kNoValue) gradients[id] = gradient;
  }
  return gradients;
}

}  // namespace convoy
