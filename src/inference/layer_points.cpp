#include "inference/layer_points.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>

#include "inference/arena.h"
#include "ops/conv2d/conv2d.h"
#include "ops/quantized_conv2d/quantized_conv2d.h"
#include "plan/reparameterise.h"

namespace convoy {
namespace {

// An ONNX model that Convoy wrote has linear layers' weights transposed, "fc.weight.T".
std::string layer_of(std::string_view weight) {
  for (const std::string_view end : {".T", ".weight"}) {
    if (weight.ends_with(end)) weight.remove_suffix(end.size());
  }
  return std::string(weight);
}

bool same_shape(const LayerPoint& a, const LayerPoint& b) {
  return a.weight.shape == b.weight.shape && a.elements == b.elements;
}

std::vector<size_t> others(size_t count, const std::vector<bool>& matched) {
  std::vector<size_t> places;
  for (size_t i = 0; i < count; ++i) {
    if (!matched[i]) places.push_back(i);
  }
  return places;
}

}  // namespace

std::vector<LayerPoint> layer_points(const Graph& graph) {
  struct Deep {
    int64_t depth = 0;  // the most layers on a way to it
    LayerPoint point;
  };
  const Reparameterised fused = reparameterise(graph);
  std::vector<int64_t> depths(static_cast<size_t>(fused.graph.value_count()), 0);
  std::vector<Deep> found;
  for (const Node& node : fused.graph.nodes()) {
    int64_t depth = 0;
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) depth = std::max(depth, depths[static_cast<size_t>(id)]);
    }
    const bool convolves = op_as<Conv2dOp>(node) != nullptr || op_as<QuantizedConv2dOp>(node) != nullptr;
    const bool is_layer = convolves && fused.graph.value(node.inputs[1]).is_variable();
    if (is_layer) {
      const ValueInfo& weight = fused.graph.value(node.inputs[1]);
      const ValueId value = fused.originals.at(node.outputs[0]);
      found.push_back({++depth, {layer_of(weight.name), value, weight.type, graph.value(value).type.shape.elements()}});
    }
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) depths[static_cast<size_t>(id)] = depth;
    }
  }
  std::ranges::stable_sort(found, {}, &Deep::depth);
  std::vector<LayerPoint> points;
  for (Deep& deep : found) points.push_back(std::move(deep.point));
  return points;
}

std::vector<LayerPair> match_layers(const std::vector<LayerPoint>& a, const std::vector<LayerPoint>& b) {
  std::vector<LayerPair> pairs;
  std::vector<bool> matched_a(a.size()), matched_b(b.size());
  std::multimap<std::string_view, size_t> by_name;
  for (size_t j = 0; j < b.size(); ++j) by_name.emplace(b[j].layer, j);
  for (size_t i = 0; i < a.size(); ++i) {
    auto [at, end] = by_name.equal_range(a[i].layer);
    at = std::find_if(at, end, [&](const auto& entry) { return same_shape(a[i], b[entry.second]); });
    if (at == end) continue;
    pairs.push_back({i, at->second});
    matched_a[i] = matched_b[at->second] = true;
    by_name.erase(at);
  }

  // longest(i, j): of the sequences that the others have in common from their places i and j on.
  const std::vector<size_t> rest_a = others(a.size(), matched_a), rest_b = others(b.size(), matched_b);
  const size_t row = rest_b.size() + 1, cells = (rest_a.size() + 1) * row;
  require_memory(cells * sizeof(uint32_t), "aligning the layers of two networks",
                 [](size_t) { return "they have too many that differ in name"; });
  std::vector<uint32_t> longest(cells, 0);
  for (size_t i = rest_a.size(); i-- > 0;) {
    for (size_t j = rest_b.size(); j-- > 0;) {
      longest[i * row + j] = same_shape(a[rest_a[i]], b[rest_b[j]])
                                 ? longest[(i + 1) * row + j + 1] + 1
                                 : std::max(longest[(i + 1) * row + j], longest[i * row + j + 1]);
    }
  }
  for (size_t i = 0, j = 0; i < rest_a.size() && j < rest_b.size();) {
    if (same_shape(a[rest_a[i]], b[rest_b[j]])) {
      pairs.push_back({rest_a[i++], rest_b[j++], true});
    } else if (longest[(i + 1) * row + j] >= longest[i * row + j + 1]) {
      ++i;
    } else {
      ++j;
    }
  }
  std::ranges::sort(pairs, {}, &LayerPair::a);
  return pairs;
}

}  // namespace convoy
