#include "plan/schedule.h"

#include <algorithm>

#include "ops/all_reduce/all_reduce.h"

namespace convoy {
namespace {

bool mutates_any(const Node& node) {
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] != kNoValue && node.op->mutates(static_cast<int>(i))) return true;
  }
  return false;
}

bool uses(const Node& node, ValueId id) {
  return std::find(node.inputs.begin(), node.inputs.end(), id) != node.inputs.end() ||
         std::find(node.outputs.begin(), node.outputs.end(), id) != node.outputs.end();
}

// Whether `node` must stay behind `earlier`: it reads what that makes, or changes what that uses, or that changes what
// it uses. Sums over ranks keep their order, which is that of all ranks, whatever else each of them computes.
bool depends(const Node& node, const Node& earlier) {
  if (op_as<AllReduceOp>(node) != nullptr && op_as<AllReduceOp>(earlier) != nullptr) return true;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    if (id == kNoValue) continue;
    if (std::find(earlier.outputs.begin(), earlier.outputs.end(), id) != earlier.outputs.end()) return true;
    if (node.op->mutates(static_cast<int>(i)) && uses(earlier, id)) return true;
  }
  for (size_t i = 0; i < earlier.inputs.size(); ++i) {
    const ValueId id = earlier.inputs[i];
    if (id != kNoValue && earlier.op->mutates(static_cast<int>(i)) && uses(node, id)) return true;
  }
  return false;
}

// Moves a node to right behind the last that it depends on; whether it was not there.
bool hoist(std::vector<Node>& nodes, size_t position) {
  size_t target = position;
  while (target > 0 && !depends(nodes[position], nodes[target - 1])) --target;
  const auto at = [&](size_t index) { return nodes.begin() + static_cast<std::ptrdiff_t>(index); };
  std::rotate(at(target), at(position), at(position + 1));
  return target < position;
}

}  // namespace

int schedule_updates(Graph& graph) {
  std::vector<Node>& nodes = graph.nodes();
  // The updates are the unbroken run of such nodes at the end.
  size_t first = nodes.size();
  while (first > 0 && mutates_any(nodes[first - 1])) --first;
  int moved = 0;
  for (size_t position = first; position < nodes.size(); ++position) moved += hoist(nodes, position) ? 1 : 0;
  return moved;
}

int schedule_sums(Graph& graph) {
  std::vector<Node>& nodes = graph.nodes();
  int moved = 0;
  for (size_t position = 0; position < nodes.size(); ++position) {
    if (op_as<AllReduceOp>(nodes[position]) != nullptr) moved += hoist(nodes, position) ? 1 : 0;
  }
  return moved;
}

}  // namespace convoy
