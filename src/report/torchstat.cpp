#include "report/torchstat.h"

#include <algorithm>

#include "graph/work.h"
#include "ops/activation/activation.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/channel_scale/channel_scale.h"
#include "ops/conv2d/conv2d.h"
#include "ops/dropout/dropout.h"
#include "ops/group_norm/group_norm.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/pool/pool.h"
#include "ops/quantized_conv2d/quantized_conv2d.h"
#include "ops/reshape/reshape.h"
#include "ops/softmax/softmax.h"
#include "plan/graph_index.h"

namespace convoy {
namespace {

constexpr int64_t kElementBytes = 4;

// The sizes of a node's tensors that the counts are made of.
struct Sizes {
  int64_t input, output;
  int64_t weights = 0;  // weight and bias of the layer
};

Sizes sizes_of(const Graph& graph, const Node& node) {
  const auto elements = [&graph](ValueId id) { return graph.value(id).type.shape.elements(); };
  Sizes sizes{elements(node.inputs[0]), elements(node.outputs[0])};
  for (size_t i = 1; i < std::min<size_t>(3, node.inputs.size()); ++i) {
    if (node.inputs[i] != kNoValue) sizes.weights += elements(node.inputs[i]);
  }
  return sizes;
}

TorchstatCounts with_traffic(int64_t madd, int64_t flops, const Sizes& sizes) {
  return {.madd = madd,
          .flops = flops,
          .memory_bytes = kElementBytes * sizes.output,
          .read_bytes = kElementBytes * (sizes.input + sizes.weights),
          .written_bytes = kElementBytes * sizes.output};
}

TorchstatCounts of_product(const Graph& graph, const Node& node, const Sizes& sizes, size_t bias_slot) {
  const int64_t products = multiply_adds(graph, node);
  const bool is_linear = op_as<LinearOp>(node) != nullptr || op_as<QuantizedLinearOp>(node) != nullptr;
  const bool biased = !is_linear && node.inputs[bias_slot] != kNoValue;
  const int64_t bias = biased ? sizes.output : 0;
  return with_traffic(2 * products - sizes.output + bias, products + bias, sizes);
}

TorchstatCounts of_pooling(const PoolAttributes& pool, int64_t operations_of_window, const Sizes& sizes) {
  if (pool.adaptive.h > 0) return {.memory_bytes = kElementBytes * sizes.output};
  return with_traffic(operations_of_window * sizes.output, sizes.input, {sizes.input, sizes.output});
}

TorchstatCounts of_activation(Activation function, const Sizes& sizes) {
  const bool clips = function == Activation::relu || function == Activation::relu6;
  if (!clips && function != Activation::leaky_relu) return {.memory_bytes = kElementBytes * sizes.output};
  return with_traffic(clips ? sizes.output : 0, sizes.output, {sizes.input, sizes.output});
}

template <class Kind>
bool read_by(const Graph& graph, const GraphIndex& index, const Node& node) {
  return std::ranges::any_of(index.readers(node.outputs[0]), [&](int reader) {
    return op_as<Kind>(graph.nodes()[static_cast<size_t>(reader)]) != nullptr;
  });
}

// The mean over a map that squeeze and excitation takes: pooling to one pixel which convolutions read.
bool is_squeeze(const Graph& graph, const GraphIndex& index, const Node& node) {
  return graph.value(node.outputs[0]).type.shape[1] == 1 && read_by<Conv2dOp>(graph, index, node);
}

// Maps become vectors, other than a gate's.
bool is_flatten(const Graph& graph, const GraphIndex& index, const Node& node) {
  return graph.value(node.inputs[0]).type.shape.rank() == 4 && graph.value(node.outputs[0]).type.shape.rank() == 2 &&
         !read_by<ChannelScaleOp>(graph, index, node);
}

TorchstatCounts counts_of(const Graph& graph, const GraphIndex& index, const Node& node) {
  const Sizes sizes = sizes_of(graph, node);
  const TorchstatCounts memory_alone{.memory_bytes = kElementBytes * sizes.output};
  if (op_as<Conv2dOp>(node) != nullptr) return of_product(graph, node, sizes, 2);
  if (op_as<QuantizedConv2dOp>(node) != nullptr) return of_product(graph, node, sizes, QuantizedConv2dOp::kBias);
  if (op_as<BatchNormOp>(node) != nullptr) {
    TorchstatCounts counts = with_traffic(4 * sizes.output, 2 * sizes.output, sizes);
    if (!read_by<ActivationOp>(graph, index, node)) counts.memory_bytes *= 2;
    return counts;
  }
  if (const auto* activation = op_as<ActivationOp>(node)) return of_activation(activation->function(), sizes);
  if (const auto* pool = op_as<MaxPoolOp>(node)) {
    return of_pooling(pool->pool(), pool->pool().kernel.h * pool->pool().kernel.w - 1, sizes);
  }
  if (const auto* pool = op_as<AvgPoolOp>(node)) {
    if (is_squeeze(graph, index, node)) return {};
    return of_pooling(pool->pool(), pool->pool().kernel.h * pool->pool().kernel.w, sizes);
  }
  if (op_as<ReshapeOp>(node) != nullptr) return is_flatten(graph, index, node) ? memory_alone : TorchstatCounts();
  const bool is_module = op_as<LayerNormOp>(node) != nullptr || op_as<GroupNormOp>(node) != nullptr ||
                         op_as<SoftmaxOp>(node) != nullptr || op_as<MaskedOp>(node) != nullptr;
  return is_module ? memory_alone : TorchstatCounts();
}

}  // namespace

TorchstatCounts& TorchstatCounts::operator+=(const TorchstatCounts& other) {
  madd += other.madd;
  flops += other.flops;
  memory_bytes += other.memory_bytes;
  read_bytes += other.read_bytes;
  written_bytes += other.written_bytes;
  return *this;
}

std::vector<TorchstatCounts> torchstat_counts(const Graph& graph) {
  const GraphIndex index(graph);
  std::vector<TorchstatCounts> counts;
  for (const Node& node : graph.nodes()) counts.push_back(counts_of(graph, index, node));
  return counts;
}

}  // namespace convoy
