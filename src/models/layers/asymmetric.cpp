#include "models/layers/asymmetric.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "convoy/ops.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/conv2d/conv2d.h"

namespace convoy {
namespace {

constexpr size_t kWeight = 1;  // input of a convolution

// The convolution at a position that a block is to be made of; null when it is none.
const Conv2dOp* square_convolution(const Graph& graph, size_t position) {
  const Node& node = graph.nodes()[position];
  const auto* op = op_as<Conv2dOp>(node);
  if (op == nullptr || graph.value(node.inputs[kWeight]).kind != ValueKind::parameter) return nullptr;
  const ConvAttributes& conv = op->conv();
  const int64_t k = conv.kernel.h, half = k / 2;
  const bool square = k == conv.kernel.w && k % 2 == 1 && k > 1;
  const bool padded = conv.padding.h >= conv.dilation.h * half && conv.padding.w >= conv.dilation.w * half;
  return square && padded ? op : nullptr;
}

// Position of the batch norm that alone reads the node at `position`; `position` itself where there is none.
size_t end_of_branch(const Graph& graph, size_t position) {
  const std::vector<Node>& nodes = graph.nodes();
  const ValueId result = nodes[position].outputs[0];
  size_t reader = position;
  for (size_t i = position + 1; i < nodes.size(); ++i) {
    const auto reads = std::count(nodes[i].inputs.begin(), nodes[i].inputs.end(), result);
    if (reads == 0) continue;
    if (reads > 1 || reader != position) return position;
    reader = i;
  }
  return op_as<BatchNormOp>(nodes[reader]) == nullptr ? position : reader;
}

// The options of a norm like that of `node`.
BatchNorm options_of(const Graph& graph, const Node& node) {
  const BatchNormAttributes& norm = static_cast<const BatchNormOp&>(*node.op).batch_norm();
  const ValueInfo& weight = graph.value(node.inputs[BatchNormOp::kWeight]);
  return {.eps = norm.eps,
          .momentum = norm.momentum,
          .weight_start = weight.start.value,
          .weight_trained = weight.kind == ValueKind::parameter};
}

// The start of a branch's weight: the square's, at the deviation that k times fewer taps ask for.
Initializer start_of_branch(Initializer square, int64_t k) {
  if (square.kind == Initializer::Kind::dirac) square.kind = Initializer::Kind::uniform;
  square.value *= std::sqrt(static_cast<float>(k));
  return square;
}

// Where the parameters of the convolution that reads `weight` stand: its name without ".weight".
Builder place_of(Graph& graph, const ValueInfo& weight) {
  const size_t dot = weight.name.rfind('.');
  return dot == std::string::npos ? Builder(graph) : Builder(graph) / weight.name.substr(0, dot);
}

// A branch of the block at `position`, whose square convolution or its norm at `end` the branch's result is added to.
Value branch(Builder b, size_t position, size_t end, Size2 kernel) {
  Graph& graph = b.graph();
  const Node node = graph.nodes()[position];
  const ConvAttributes& conv = static_cast<const Conv2dOp&>(*node.op).conv();
  const ValueInfo& weight = graph.value(node.inputs[kWeight]);
  const bool normed = end != position;
  const Conv2d options{
      .out_channels = weight.type.shape[-1],
      .kernel = kernel,
      .stride = conv.stride,
      .padding = {conv.padding.h - conv.dilation.h * (conv.kernel.h - kernel.h) / 2,
                  conv.padding.w - conv.dilation.w * (conv.kernel.w - kernel.w) / 2},
      .extra_padding = conv.extra_padding,
      .dilation = conv.dilation,
      .groups = conv.groups,
      .bias = false,
      .weight_start = normed ? start_of_branch(weight.start, conv.kernel.h) : Initializer::constant(0)};
  const Value y = conv2d(b / "conv", {&graph, node.inputs[0]}, options);
  return normed ? batch_norm(b / "bn", y, options_of(graph, graph.nodes()[end])) : y;
}

// Makes a block of the convolution at `position`.
void add_branches(Graph& graph, size_t position) {
  const size_t end = end_of_branch(graph, position), old_size = graph.nodes().size();
  const ValueId weight = graph.nodes()[position].inputs[kWeight], result = graph.nodes()[end].outputs[0];
  const int64_t k = graph.value(weight).type.shape[0];
  const Builder place = place_of(graph, graph.value(weight));
  const Value vertical = branch(place / "ver", position, end, {k, 1});
  const Value horizontal = branch(place / "hor", position, end, {1, k});
  const Value sum = add({&graph, result}, add(vertical, horizontal));

  // The readers of the old result read the sum: the two swap their values.
  std::vector<Node>& nodes = graph.nodes();
  std::ranges::replace(nodes.back().inputs, result, ValueId{sum.id()});
  nodes.back().outputs[0] = result;
  nodes[end].outputs[0] = sum.id();
  const auto at = [&nodes](size_t i) { return nodes.begin() + static_cast<std::ptrdiff_t>(i); };
  std::rotate(at(end + 1), at(old_size), nodes.end());
}

}  // namespace

int add_asymmetric_branches(Graph& graph, size_t first) {
  int blocks = 0;
  for (size_t position = first; position < graph.nodes().size(); ++position) {
    if (square_convolution(graph, position) == nullptr) continue;
    add_branches(graph, position);
    ++blocks;
  }
  return blocks;
}

}  // namespace convoy
