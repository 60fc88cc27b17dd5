#include "inference/quantize_equalize.h"

#include <algorithm>
#include <cmath>

#include "ops/activation/activation.h"
#include "ops/pool/pool.h"
#include "ops/reshape/reshape.h"
#include "plan/graph_index.h"

namespace convoy {
namespace {

// Channels that calibration saw less of than this share of the greatest are scaled no further.
constexpr double kLeastShare = 0x1p-12;

// Whether it is f(s x) = s f(x), for an s above 0 of each channel.
bool is_homogeneous(const Graph& graph, const Node& node) {
  if (const auto* activation = op_as<ActivationOp>(node)) {
    return activation->function() == Activation::relu || activation->function() == Activation::leaky_relu;
  }
  if (op_as<ReshapeOp>(node) != nullptr) {
    return graph.value(node.inputs[0]).type.shape[-1] == graph.value(node.outputs[0]).type.shape[-1];
  }
  return op_as<MaxPoolOp>(node) != nullptr || op_as<AvgPoolOp>(node) != nullptr;
}

std::vector<double> floored(std::vector<double> values) {
  const double least = std::ranges::max(values) * kLeastShare;
  for (double& x : values) x = std::max(x, least);
  return values;
}

// Input channel of an element of a weight, whose number this is.
int64_t input_channel(const QuantizableLayer& layer, int64_t element) {
  const int64_t in = layer.weight_shape[2], out = layer.out_channels();
  const int64_t group = element % out / (out / layer.op->conv().groups);
  return group * in + element / out % in;
}

// The greatest magnitude of each input channel's weights.
std::vector<double> input_ranges(std::span<const float> weight, const QuantizableLayer& layer) {
  std::vector<double> ranges(static_cast<size_t>(layer.in_channels()), 0);
  for (size_t i = 0; i < weight.size(); ++i) {
    double& range = ranges[static_cast<size_t>(input_channel(layer, static_cast<int64_t>(i)))];
    range = std::max(range, std::abs(static_cast<double>(weight[i])));
  }
  return ranges;
}

void change(const Variables& variables, const std::string& name, const std::function<double(size_t)>& factor) {
  std::vector<float> values = variables.read(name);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(static_cast<double>(values[i]) * factor(i));
  }
  variables.write(name, values);
}

}  // namespace

std::vector<EqualizablePair> equalizable_pairs(const Graph& graph, std::span<const QuantizableLayer> layers) {
  const GraphIndex index(graph);
  std::map<ValueId, size_t> makers;
  for (size_t i = 0; i < layers.size(); ++i) makers[layers[i].output] = i;
  std::vector<EqualizablePair> pairs;
  for (size_t second = 0; second < layers.size(); ++second) {
    ValueId map = layers[second].input;
    while (index.read_once(map) && !makers.contains(map)) {
      const int producer = index.producer(map);
      if (producer < 0 || !is_homogeneous(graph, graph.nodes()[static_cast<size_t>(producer)])) break;
      map = graph.nodes()[static_cast<size_t>(producer)].inputs[0];
    }
    const auto first = makers.find(map);
    if (first == makers.end() || !index.read_once(map)) continue;
    if (layers[first->second].out_channels() == layers[second].in_channels()) pairs.push_back({first->second, second});
  }
  return pairs;
}

std::vector<double> equalizing_factors(std::span<const float> channel_ranges, std::span<const float> weight,
                                       const QuantizableLayer& second) {
  const std::vector<double> ranges = floored({channel_ranges.begin(), channel_ranges.end()});
  std::vector<double> factors = ranges;
  if (!second.is_depthwise()) {
    const std::vector<double> weights = floored(input_ranges(weight, second));
    std::ranges::transform(ranges, weights, factors.begin(), [](double m, double w) { return std::sqrt(m / w); });
  }
  double before = 0, after = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    before = std::max(before, ranges[i]);
    after = std::max(after, ranges[i] / factors[i]);
  }
  // A map of zeros, or a weight of zeros.
  if (!(before > 0) || !(after > 0) || !std::isfinite(after)) return std::vector<double>(ranges.size(), 1);
  for (double& factor : factors) factor *= after / before;
  return factors;
}

void equalize(std::span<const EqualizablePair> pairs, std::span<const QuantizableLayer> layers,
              const std::map<ValueId, std::vector<float>>& ranges, const Variables& variables) {
  for (const EqualizablePair& pair : pairs) {
    const QuantizableLayer &first = layers[pair.first], &second = layers[pair.second];
    const std::vector<double> factors =
        equalizing_factors(ranges.at(second.input), variables.read(second.weight), second);
    const auto of_output = [&](size_t i) { return 1 / factors[i % factors.size()]; };
    change(variables, first.weight, of_output);
    if (!first.bias.empty()) change(variables, first.bias, of_output);
    change(variables, second.weight,
           [&](size_t i) { return factors[static_cast<size_t>(input_channel(second, static_cast<int64_t>(i)))]; });
  }
}

}  // namespace convoy
