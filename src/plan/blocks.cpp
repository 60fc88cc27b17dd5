#include "plan/blocks.h"

#include <algorithm>

namespace convoy {
namespace {

// The position of the last reader of everything that is made, in the order in which it is made: the inputs of the step
// first, then the outputs of each node. -1: nobody reads it.
std::vector<int> last_uses(const StepMemory& memory, std::span<const int> order) {
  std::vector<int> last(memory.bytes.size(), -1);
  for (const ValueId id : memory.outputs) last[static_cast<size_t>(id)] = static_cast<int>(order.size());
  std::vector<int> uses;
  for (size_t position = order.size(); position-- > 0;) {
    const MemoryNode& node = memory.nodes[static_cast<size_t>(order[position])];
    for (size_t i = node.outputs.size(); i-- > 0;) {
      uses.push_back(node.outputs[i] == kNoValue ? -1 : std::exchange(last[static_cast<size_t>(node.outputs[i])], -1));
    }
    for (const ValueId id : node.inputs) {
      if (id != kNoValue && last[static_cast<size_t>(id)] < 0)
        last[static_cast<size_t>(id)] = static_cast<int>(position);
    }
  }
  for (size_t i = memory.inputs.size(); i-- > 0;) uses.push_back(last[static_cast<size_t>(memory.inputs[i])]);
  std::ranges::reverse(uses);
  return uses;
}

class Assignment {
 public:
  Assignment(const StepMemory& memory, std::span<const int> order) : memory_(memory), order_(order) {
    blocks_.of_value.assign(memory.bytes.size(), kNoBlock);
    blocks_.of_workspace.reserve(order.size());
  }

  Blocks run() {
    const std::vector<int> uses = last_uses(memory_, order_);
    auto use = uses.begin();
    for (const ValueId id : memory_.inputs) {
      blocks_.of_value[static_cast<size_t>(id)] = add(memory_.bytes[static_cast<size_t>(id)], -1, std::max(*use++, 0));
    }
    for (size_t position = 0; position < order_.size(); ++position) {
      const MemoryNode& node = memory_.nodes[static_cast<size_t>(order_[position])];
      const int now = static_cast<int>(position);
      taken_.clear();
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        const int last = std::max(*use++, now);
        if (node.outputs[i] == kNoValue || memory_.bytes[static_cast<size_t>(node.outputs[i])] == 0) continue;
        place_output(node, static_cast<int>(i), now, last);
      }
      blocks_.of_workspace.push_back(node.workspace == 0 ? kNoBlock : add(node.workspace, now, now));
    }
    return std::move(blocks_);
  }

 private:
  size_t add(size_t bytes, int first, int last) {
    blocks_.lifetimes.push_back({bytes, first, last});
    return blocks_.lifetimes.size() - 1;
  }

  void place_output(const MemoryNode& node, int output, int now, int last) {
    const auto value = static_cast<size_t>(node.outputs[static_cast<size_t>(output)]);
    size_t block = inherited(node, output, now);
    if (block == kNoBlock) {
      block = add(memory_.bytes[value], now, last);
    } else {
      blocks_.lifetimes[block].last = last;
      taken_.push_back(block);
    }
    blocks_.of_value[value] = block;
  }

  // The block of an input that dies at this node, where the output may have it.
  size_t inherited(const MemoryNode& node, int output, int now) const {
    const auto target = static_cast<size_t>(node.outputs[static_cast<size_t>(output)]);
    for (const auto& [out, in] : node.in_place) {
      const ValueId source = node.inputs[static_cast<size_t>(in)];
      if (out != output || source == kNoValue) continue;
      const size_t block = blocks_.of_value[static_cast<size_t>(source)];
      if (block == kNoBlock || blocks_.lifetimes[block].last != now) continue;
      if (std::ranges::find(taken_, block) != taken_.end()) continue;
      if (std::ranges::count(node.inputs, source) > 1) continue;
      if (memory_.bytes[static_cast<size_t>(source)] == memory_.bytes[target]) return block;
    }
    return kNoBlock;
  }

  const StepMemory& memory_;
  const std::span<const int> order_;
  Blocks blocks_;
  std::vector<size_t> taken_;  // inherited by the outputs of the node at hand
};

}  // namespace

Blocks assign_blocks(const StepMemory& memory, std::span<const int> order) { return Assignment(memory, order).run(); }

std::vector<size_t> live_bytes(std::span<const Lifetime> blocks, size_t positions) {
  // A block counts from its first position on and no more behind its last.
  std::vector<size_t> live(positions + 1);
  for (const Lifetime& block : blocks) {
    live[static_cast<size_t>(std::max(block.first, 0))] += align(block.bytes);
    const auto behind = static_cast<size_t>(block.last) + 1;
    if (behind <= positions) live[behind] -= align(block.bytes);
  }
  for (size_t i = 1; i <= positions; ++i) live[i] += live[i - 1];
  live.pop_back();
  return live;
}

}  // namespace convoy
