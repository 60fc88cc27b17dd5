// Cross-layer equalisation (Nagel et al., Data-free quantization through weight equalization and bias correction, arXiv
// 1906.04721, section 4.1): the channels of a map between two layers are scaled so that all make use of its one range.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "inference/quantizable_layers.h"
#include "plan/variables.h"

namespace convoy {

// Two layers, by their positions among the layers, between which nothing stands but activation functions and pooling
// that are positively homogeneous, f(s x) = s f(x) for s > 0, through values with one reader each.
struct EqualizablePair {
  size_t first = 0, second = 0;

  friend bool operator==(const EqualizablePair&, const EqualizablePair&) = default;
};

std::vector<EqualizablePair> equalizable_pairs(const Graph& graph, std::span<const QuantizableLayer> layers);

// By what the channels of a map are divided, and the input channels of the layer that reads it multiplied. The greatest
// magnitudes m of a channel and w of its weights both become sqrt(m w), up to a factor that all channels share; the
// paper has the weights of the first layer in place of m, but these have a scale for each channel here. A depthwise
// layer's weights have that, too: there the map's channels all get the same range. The map's own range stays.
// weight: {h, w, in / groups, out} of the second layer.
std::vector<double> equalizing_factors(std::span<const float> channel_ranges, std::span<const float> weight,
                                       const QuantizableLayer& second);

// Scales the weights and biases of each pair; the network computes the same. ranges: the greatest magnitude of each
// channel of the second layers' inputs.
void equalize(std::span<const EqualizablePair> pairs, std::span<const QuantizableLayer> layers,
              const std::map<ValueId, std::vector<float>>& ranges, const Variables& variables);

}  // namespace convoy
