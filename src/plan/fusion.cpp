#include "plan/fusion.h"

#include <algorithm>

#include "ops/activation/activation.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/concat/concat.h"
#include "ops/conv2d/conv2d.h"
#include "ops/pool/pool.h"
#include "ops/quantize/quantize.h"
#include "ops/quantized_conv2d/quantized_conv2d.h"
#include "ops/sum/sum.h"
#include "plan/graph_index.h"

namespace convoy {
namespace {

void erase_node(Graph& graph, int position) { graph.nodes().erase(graph.nodes().begin() + position); }

// The node that makes the value; of bytes that only become numbers there, the node that makes these, for that can be
// done at once.
int earliest_producer(const Graph& graph, const GraphIndex& index, ValueId value) {
  const int producer = index.producer(value);
  if (producer < 0) return producer;
  const Node& node = graph.nodes()[static_cast<size_t>(producer)];
  return op_as<DequantizeOp>(node) == nullptr ? producer : index.producer(node.inputs[0]);
}

// What sums become part of: an op that adds before an activation, or a quantised layer that adds behind its own.
enum class Addition { first, last };

// The input of the node to which a term of a sum can go, or -1.
int addend_slot(const Node& node, Addition addition) {
  if (addition == Addition::first) return node.op->addend();
  const auto* conv = op_as<QuantizedConv2dOp>(node);
  const bool fits =
      conv != nullptr && conv->layer().activation != Activation::none && !conv->layer().output_is_quantized();
  return fits ? QuantizedConv2dOp::kAddend : -1;
}

// The term of the sum at `position` that its maker could add the others to: made latest, so that the others are there.
int fusable_term(const Graph& graph, const GraphIndex& index, const Node& sum, Addition addition) {
  int latest = -1, maker = -1;
  for (size_t i = 0; i < sum.inputs.size(); ++i) {
    const int producer = earliest_producer(graph, index, sum.inputs[i]);
    if (producer > maker) {
      maker = producer;
      latest = static_cast<int>(i);
    }
  }
  if (maker < 0) return -1;
  const ValueId term = sum.inputs[static_cast<size_t>(latest)];
  if (index.producer(term) != maker) return -1;
  const Node& node = graph.nodes()[static_cast<size_t>(maker)];
  const int addend = addend_slot(node, addition);
  const bool fits = addend >= 0 && node.inputs[static_cast<size_t>(addend)] == kNoValue && node.outputs[0] == term &&
                    index.read_once(term);
  return fits ? latest : -1;
}

// Moves the node at `position` in front of that at `maker`, unless it is there; where that is then.
int move_before(Graph& graph, int position, int maker) {
  if (position < maker) return maker;
  const auto begin = graph.nodes().begin();
  std::rotate(begin + maker, begin + position, begin + position + 1);
  return maker + 1;
}

// Rewrites one sum, of gradients or of the network's own; false when none is left that can be.
bool fuse_one_sum(Graph& graph, bool of_gradients, Addition addition) {
  const GraphIndex index(graph);
  for (size_t position = 0; position < graph.nodes().size(); ++position) {
    const Node sum = graph.nodes()[position];
    const auto* op = op_as<SumOp>(sum);
    if (op == nullptr || op->of_gradients() != of_gradients || sum.inputs.size() < 2) continue;
    const int term = fusable_term(graph, index, sum, addition);
    if (term < 0) continue;
    std::vector<ValueId> others = sum.inputs;
    others.erase(others.begin() + term);
    int maker = index.producer(sum.inputs[static_cast<size_t>(term)]);
    erase_node(graph, static_cast<int>(position));
    for (const ValueId other : others) maker = move_before(graph, GraphIndex(graph).producer(other), maker);
    Node& node = graph.nodes()[static_cast<size_t>(maker)];
    node.outputs[0] = sum.outputs[0];
    ValueId addend = others[0];
    const auto slot = static_cast<size_t>(addend_slot(node, addition));
    if (addition == Addition::last) {
      const auto* conv = op_as<QuantizedConv2dOp>(node);
      QuantizedLayer layer = conv->layer();
      layer.addend_last = true;
      node.op = conv->as(layer);
    }
    if (others.size() > 1) {
      Node rest = graph.make_node(sum.op, others);
      addend = rest.outputs[0];
      graph.nodes().insert(graph.nodes().begin() + maker, std::move(rest));
    }
    const auto at = static_cast<size_t>(maker) + (others.size() > 1 ? 1 : 0);
    graph.nodes()[at].inputs[slot] = addend;
    return true;
  }
  return false;
}

// Makes one node of two, where a node reads what `absorb` makes an op of that its maker can have instead; false when
// none is left that can be.
bool absorb_one(Graph& graph, std::shared_ptr<const Op> (*absorb)(const Graph&, const Node& maker, const Node& node)) {
  const GraphIndex index(graph);
  for (size_t position = 0; position < graph.nodes().size(); ++position) {
    const Node& node = graph.nodes()[position];
    if (node.inputs.empty() || node.inputs[0] == kNoValue || !index.read_once(node.inputs[0])) continue;
    const int maker = index.producer(node.inputs[0]);
    if (maker < 0) continue;
    Node& source = graph.nodes()[static_cast<size_t>(maker)];
    if (source.outputs[0] != node.inputs[0]) continue;
    std::shared_ptr<const Op> fused = absorb(graph, source, node);
    if (fused == nullptr) continue;
    source.op = std::move(fused);
    source.outputs[0] = node.outputs[0];
    erase_node(graph, static_cast<int>(position));
    return true;
  }
  return false;
}

std::shared_ptr<const Op> absorb_activation(const Graph& graph, const Node& maker, const Node& node) {
  const auto* activation = op_as<ActivationOp>(node);
  // Its gradient would need what the activation takes in.
  const bool trained_convolution = graph.mode() == Mode::training && op_as<Conv2dOp>(maker) != nullptr;
  if (activation == nullptr || trained_convolution) return nullptr;
  return maker.op->with_activation(activation->function());
}

std::shared_ptr<const Op> absorb_quantization(const Graph&, const Node& maker, const Node& node) {
  const auto* quantize = op_as<QuantizeOp>(node);
  const auto* conv = op_as<QuantizedConv2dOp>(maker);
  if (quantize == nullptr || conv == nullptr || conv->layer().output_is_quantized()) return nullptr;
  QuantizedLayer layer = conv->layer();
  layer.output = quantize->quantization();
  return conv->as(layer);
}

int repeat(Graph& graph, bool (*rewrite)(Graph&)) {
  int count = 0;
  while (rewrite(graph)) ++count;
  return count;
}

}  // namespace

int fuse_addends(Graph& graph) {
  return repeat(graph, [](Graph& g) { return fuse_one_sum(g, false, Addition::first); });
}

int fuse_residuals(Graph& graph) {
  return repeat(graph, [](Graph& g) { return fuse_one_sum(g, false, Addition::last); });
}

int fuse_gradient_sums(Graph& graph) {
  return repeat(graph, [](Graph& g) { return fuse_one_sum(g, true, Addition::first); });
}

int fuse_activations(Graph& graph) {
  return repeat(graph, [](Graph& g) { return absorb_one(g, absorb_activation); });
}

int quantize_early(Graph& graph) {
  return repeat(graph, [](Graph& g) {
    const GraphIndex index(g);
    for (size_t position = 0; position < g.nodes().size(); ++position) {
      const Node quantize = g.nodes()[position];
      if (op_as<QuantizeOp>(quantize) == nullptr || !index.read_once(quantize.inputs[0])) continue;
      const int maker = index.producer(quantize.inputs[0]);
      if (maker < 0) continue;
      const Node mover = g.nodes()[static_cast<size_t>(maker)];
      const bool moves = op_as<MaxPoolOp>(mover) != nullptr || op_as<ConcatOp>(mover) != nullptr;
      if (!moves || mover.outputs[0] != quantize.inputs[0]) continue;
      std::vector<Node> nodes;
      std::vector<ValueId> bytes;
      for (const ValueId input : mover.inputs) {
        nodes.push_back(g.make_node(quantize.op, {input}));
        bytes.push_back(nodes.back().outputs[0]);
      }
      nodes.push_back(g.make_node(mover.op, bytes));
      nodes.back().outputs[0] = quantize.outputs[0];
      erase_node(g, static_cast<int>(position));
      erase_node(g, maker);
      g.nodes().insert(g.nodes().begin() + maker, nodes.begin(), nodes.end());
      return true;
    }
    return false;
  });
}

int fuse_quantizations(Graph& graph) {
  return repeat(graph, [](Graph& g) { return absorb_one(g, absorb_quantization); });
}

int fuse_dequantizations(Graph& graph) {
  const GraphIndex index(graph);
  int count = 0;
  for (Node& node : graph.nodes()) {
    const auto* conv = op_as<QuantizedConv2dOp>(node);
    if (conv == nullptr) continue;
    ValueId& addend = node.inputs[QuantizedConv2dOp::kAddend];
    const int maker = addend == kNoValue ? -1 : index.producer(addend);
    if (maker < 0) continue;
    const Node& source = graph.nodes()[static_cast<size_t>(maker)];
    const auto* dequantize = op_as<DequantizeOp>(source);
    if (dequantize == nullptr) continue;
    QuantizedLayer layer = conv->layer();
    layer.addend = dequantize->quantization();
    node.op = conv->as(layer);
    addend = source.inputs[0];
    ++count;
  }
  return count;
}

int fuse_statistics(Graph& graph) {
  const GraphIndex index(graph);
  int count = 0;
  for (Node& node : graph.nodes()) {
    const auto* norm = op_as<BatchNormOp>(node);
    if (norm == nullptr || !norm->batch_norm().training || node.inputs[BatchNormOp::kStatistics] != kNoValue) continue;
    const int maker = index.producer(node.inputs[BatchNormOp::kX]);
    if (maker < 0) continue;
    Node& source = graph.nodes()[static_cast<size_t>(maker)];
    const auto* conv = op_as<Conv2dOp>(source);
    const bool plain = conv != nullptr && !conv->statistics() && conv->activation() == Activation::none;
    if (!plain || source.outputs[0] != node.inputs[BatchNormOp::kX]) continue;
    BatchNormAttributes attributes = norm->batch_norm();
    attributes.statistics_pixels = conv->statistics_pixels(graph.value(source.inputs[0]).type.shape,
                                                           graph.value(source.outputs[0]).type.shape[-1]);
    Node with_statistics = graph.make_node(std::make_shared<Conv2dOp>(conv->conv(), true), source.inputs);
    with_statistics.outputs[0] = source.outputs[0];
    node.inputs[BatchNormOp::kStatistics] = with_statistics.outputs[1];
    node.op = std::make_shared<BatchNormOp>(attributes, norm->world());
    source = std::move(with_statistics);
    ++count;
  }
  return count;
}

int remove_dead_nodes(Graph& graph) {
  int count = 0;
  for (bool again = true; again;) {
    const GraphIndex index(graph);
    const auto dead = [&index](const Node& node) {
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] != kNoValue && node.op->mutates(static_cast<int>(i))) return false;
      }
      return std::all_of(node.outputs.begin(), node.outputs.end(),
                         [&index](ValueId id) { return id == kNoValue || index.unread(id); });
    };
    const auto erased = static_cast<int>(std::erase_if(graph.nodes(), dead));
    count += erased;
    again = erased > 0;
  }
  return count;
}

}  // namespace convoy
