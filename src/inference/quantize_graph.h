// The int8 form of a network.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "inference/quantizable_layers.h"
#include "ops/quantize/quantize.h"
#include "plan/variables.h"

namespace convoy {

struct QuantizedGraph {
  Graph graph;
  std::vector<ValueId> outputs;     // of each layer, before its activation
  std::vector<std::string> biases;  // of each layer that is int8: their names
};

// Writes an inference graph, to which no pass was applied, with `int8` of its layers in int8. maps: what the levels of
// each layer's input stand for. A map that such a layer reads is quantised once; whoever else reads it reads what the
// levels stand for. Every int8 layer has a bias.
QuantizedGraph quantized_graph(const Graph& graph, std::span<const QuantizableLayer> layers,
                               const std::vector<bool>& int8, const std::map<ValueId, Quantization>& maps);

// A weight {..., out} as whole numbers from -127 to 127, times a scale above 0 for each output channel.
struct QuantizedWeight {
  std::vector<float> values, scales;
};
QuantizedWeight quantize_weight(std::span<const float> weight, int64_t out_channels);

// The bias of a quantised layer as whole numbers, `scales` apart, of the size of its sums: scales of the input and of
// the weight multiplied. None: 32 bits do not hold one of them.
struct WholeBias {
  std::vector<double> values;
  std::vector<float> scales;
};
std::optional<WholeBias> whole_bias(std::span<const float> bias, std::span<const float> weight_scales,
                                    float input_scale);

// Rounds the biases of int8 layers so, which moves no sum by more than half of its least step: ONNX models then hold
// them exactly.
void round_biases(const Graph& quantized, Variables& variables);

// Sets the variables of a quantised graph from those of the graph that it was made of.
void quantize_variables(const QuantizedGraph& quantized, std::span<const QuantizableLayer> layers,
                        const Variables& original, Variables& into);

}  // namespace convoy
