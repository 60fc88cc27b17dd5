#include "inference/quantize_graph.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "graph/copy.h"
#include "ops/quantized_conv2d/quantized_conv2d.h"

namespace convoy {
namespace {

constexpr float kMostLevel = 127;

std::string scale_name(const QuantizableLayer& layer) { return layer.weight + "_scale"; }

class Rewriter {
 public:
  Rewriter(const Graph& graph, std::span<const QuantizableLayer> layers, const std::vector<bool>& int8,
           const std::map<ValueId, Quantization>& maps)
      : graph_(graph), layers_(layers), int8_(int8), maps_(maps), result_{Graph(graph.mode()), {}, {}} {
    for (size_t i = 0; i < layers.size(); ++i) {
      if (int8[i]) quantized_.insert(layers[i].input);
    }
  }

  QuantizedGraph run() {
    for (ValueId id = 0; id < graph_.value_count(); ++id) {
      if (graph_.value(id).kind == ValueKind::input) places_[id] = add_copy(result_.graph, graph_.value(id));
    }
    size_t layer = 0;
    for (size_t i = 0; i < graph_.nodes().size(); ++i) {
      const Node& node = graph_.nodes()[i];
      const bool is_layer = layer < layers_.size() && layers_[layer].node == i;
      if (is_layer && int8_[layer]) {
        places_[node.outputs[0]] = add_int8(layer);
      } else {
        copy(node);
        if (is_layer) result_.biases.emplace_back();
      }
      if (is_layer) result_.outputs.push_back(places_[layers_[layer++].output]);
    }
    for (const auto& [name, id] : graph_.outputs()) result_.graph.set_output(name, place_of(id));
    return std::move(result_);
  }

 private:
  // Variables and constants are added as they are read.
  ValueId place_of(ValueId id) {
    if (id == kNoValue) return kNoValue;
    const auto [place, is_new] = places_.emplace(id, kNoValue);
    if (is_new) place->second = add_copy(result_.graph, graph_.value(id));
    return place->second;
  }

  // The levels of a map.
  ValueId levels_of(ValueId id) {
    const auto [place, is_new] = levels_.emplace(id, kNoValue);
    if (is_new) place->second = add(std::make_shared<QuantizeOp>(maps_.at(id)), {place_of(id)});
    return place->second;
  }

  // What a node that is no int8 layer reads of a value.
  ValueId read(ValueId id) {
    if (!quantized_.contains(id)) return place_of(id);
    const auto [place, is_new] = dequantized_.emplace(id, kNoValue);
    if (is_new) place->second = add(std::make_shared<DequantizeOp>(maps_.at(id)), {levels_of(id)});
    return place->second;
  }

  ValueId add(std::shared_ptr<const Op> op, std::vector<ValueId> inputs) {
    return result_.graph.add_node(std::move(op), std::move(inputs))[0];
  }

  void copy(const Node& node) {
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(read(id));
    const std::vector<ValueId> outputs = result_.graph.add_node(node.op, std::move(inputs));
    for (size_t i = 0; i < node.outputs.size(); ++i) places_[node.outputs[i]] = outputs[i];
  }

  ValueId add_int8(size_t number) {
    const QuantizableLayer& layer = layers_[number];
    Graph& graph = result_.graph;
    const ValueInfo& weight = graph_.value(graph_.named(layer.weight));
    std::string bias_name = layer.bias;
    if (bias_name.empty()) {
      bias_name = layer.name == layer.weight ? layer.name + "_bias" : layer.name + ".bias";
      while (graph_.find_named(bias_name) != kNoValue) bias_name += "_";
    }
    const Shape channels{layer.out_channels()};
    const ValueId input = levels_of(layer.input);
    const ValueId levels = graph.add_parameter(layer.weight, weight.type.shape, Initializer::constant(0), weight.layout,
                                               Role::other, DType::i8);
    const ValueId scale = graph.add_parameter(scale_name(layer), channels, Initializer::constant(1), FileLayout::same);
    const ValueId bias = graph.add_parameter(bias_name, channels, Initializer::constant(0), FileLayout::same);
    result_.biases.push_back(bias_name);
    const QuantizedLayer quantized{.input = maps_.at(layer.input), .addend = {}, .output = {}};
    std::shared_ptr<const Op> op;
    if (dynamic_cast<const LinearOp*>(layer.op) != nullptr) {
      op = std::make_shared<QuantizedLinearOp>(quantized);
    } else {
      op = std::make_shared<QuantizedConv2dOp>(layer.op->conv(), quantized);
    }
    return add(std::move(op), {input, levels, scale, bias, kNoValue});
  }

  const Graph& graph_;
  std::span<const QuantizableLayer> layers_;
  const std::vector<bool>& int8_;
  const std::map<ValueId, Quantization>& maps_;
  std::set<ValueId> quantized_;  // maps that an int8 layer reads
  std::map<ValueId, ValueId> places_, levels_, dequantized_;
  QuantizedGraph result_;
};

}  // namespace

QuantizedGraph quantized_graph(const Graph& graph, std::span<const QuantizableLayer> layers,
                               const std::vector<bool>& int8, const std::map<ValueId, Quantization>& maps) {
  return Rewriter(graph, layers, int8, maps).run();
}

QuantizedWeight quantize_weight(std::span<const float> weight, int64_t out_channels) {
  const auto out = static_cast<size_t>(out_channels);
  QuantizedWeight result{.values = std::vector<float>(weight.size()), .scales = std::vector<float>(out, 0)};
  for (size_t i = 0; i < weight.size(); ++i) {
    result.scales[i % out] = std::max(result.scales[i % out], std::abs(weight[i]));
  }
  for (float& scale : result.scales) {
    scale /= kMostLevel;
    if (!(scale >= std::numeric_limits<float>::min())) scale = 1;  // zeros
  }
  for (size_t i = 0; i < weight.size(); ++i) {
    result.values[i] = std::clamp(std::nearbyint(weight[i] / result.scales[i % out]), -kMostLevel, kMostLevel);
  }
  return result;
}

std::optional<WholeBias> whole_bias(std::span<const float> bias, std::span<const float> weight_scales,
                                    float input_scale) {
  constexpr double kMost = 1 << 30;
  WholeBias whole;
  for (size_t i = 0; i < bias.size(); ++i) {
    whole.scales.push_back(input_scale * weight_scales[i]);
    whole.values.push_back(std::nearbyint(static_cast<double>(bias[i]) / static_cast<double>(whole.scales[i])));
    if (!(std::abs(whole.values[i]) < kMost)) return std::nullopt;
  }
  return whole;
}

void round_biases(const Graph& quantized, Variables& variables) {
  for (const Node& node : quantized.nodes()) {
    const auto* op = op_as<QuantizedConv2dOp>(node);
    if (op == nullptr || node.inputs[QuantizedConv2dOp::kBias] == kNoValue) continue;
    const std::string& bias = quantized.value(node.inputs[QuantizedConv2dOp::kBias]).name;
    const std::string& scale = quantized.value(node.inputs[QuantizedConv2dOp::kWeightScale]).name;
    const auto whole = whole_bias(variables.read(bias), variables.read(scale), op->layer().input.scale);
    if (!whole) continue;
    std::vector<float> rounded;
    for (size_t i = 0; i < whole->values.size(); ++i) {
      rounded.push_back(static_cast<float>(whole->values[i] * static_cast<double>(whole->scales[i])));
    }
    variables.write(bias, rounded);
  }
}

void quantize_variables(const QuantizedGraph& quantized, std::span<const QuantizableLayer> layers,
                        const Variables& original, Variables& into) {
  into.add(quantized.graph, std::nullopt);
  std::set<std::string> set;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (quantized.biases[i].empty()) continue;
    const QuantizableLayer& layer = layers[i];
    const QuantizedWeight weight = quantize_weight(original.read(layer.weight), layer.out_channels());
    into.write(layer.weight, weight.values);
    into.write(scale_name(layer), weight.scales);
    if (!layer.bias.empty()) into.write(layer.bias, original.read(layer.bias));
    set.insert({layer.weight, scale_name(layer), quantized.biases[i]});
  }
  for (const auto& [name, variable] : into.all()) {
    if (!set.contains(name)) into.write(name, original.read(name));
  }
}

}  // namespace convoy
