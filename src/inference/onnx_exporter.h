// What writes graphs as ONNX models: the model that is being made, and the names of what is in it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "convoy/error.h"
#include "formats/onnx_fields.h"
#include "formats/onnx_model.h"
#include "graph/graph.h"
#include "ops/activation/activation.h"
#include "ops/quantize/quantize.h"
#include "plan/weight_source.h"

namespace convoy {

using OnnxAttributes = std::vector<OnnxAttribute>;
using Integers = std::vector<int64_t>;

// Axes of feature maps, from the graph's order to {N, C, H, W} and back.
inline const Integers kToMaps{0, 3, 1, 2}, kFromMaps{0, 2, 3, 1};

// As attributes name a type.
inline int64_t onnx_type(DType type) { return onnx::type_number(type); }

inline Integers extents_of(const Shape& shape) { return {shape.extents().begin(), shape.extents().end()}; }

template <class T>
OnnxTensor onnx_tensor(std::string name, DType type, Integers shape, std::span<const T> values) {
  const auto owner = std::make_shared<const std::vector<T>>(values.begin(), values.end());
  return {std::move(name), type, std::move(shape), std::as_bytes(std::span(*owner)), owner};
}

// The tensors' names in the model of a value of the graph. Feature maps are {N, C, H, W} where ONNX's ops want them so,
// and as the graph has them, {N, H, W, C}, where its own ops do; either is made of the other when it is asked for.
struct OnnxNames {
  std::string plain;  // in the graph's order of axes
  std::string maps;   // {N, C, H, W}
};

// A model as it is written: names for the values of a graph, and nodes and tensors that are added.
class OnnxExporter {
 public:
  OnnxExporter(const Graph& graph, const WeightSource& weights, int64_t opset);

  int64_t opset() const { return model_.opset; }
  const Shape& shape(ValueId id) const { return graph_.value(id).type.shape; }
  int64_t rank(ValueId id) const { return static_cast<int64_t>(shape(id).rank()); }

  std::string plain(ValueId id);
  std::string maps(ValueId id);
  // Whether it is there as {N, C, H, W} without a transposition.
  bool is_maps(ValueId id) const { return rank(id) == 4 && !names_[static_cast<size_t>(id)].maps.empty(); }
  void set_plain(ValueId id, std::string name) { names_[static_cast<size_t>(id)].plain = std::move(name); }
  void set_maps(ValueId id, std::string name) { names_[static_cast<size_t>(id)].maps = std::move(name); }
  // Has `make` make the output of the names of the inputs, all in the order of axes that the first is in. Its argument
  // `channels` is the axis of the channels then.
  void set_alike(const Node& node, const auto& make);

  // Adds a node, and returns its output's name.
  std::string add(std::string op, std::vector<std::string> inputs, OnnxAttributes attributes = {});
  std::string transposed(const std::string& x, const Integers& axes) { return add("Transpose", {x}, {{"perm", axes}}); }
  std::string reshaped(const std::string& x, const Integers& to) { return add("Reshape", {x, integers(to)}); }
  std::string activated(Activation function, const std::string& x);

  // Tensors of the model, by the values that they hold.
  std::string number(float value);
  std::string byte(int value);
  std::string integer(int64_t value);
  std::string integers(const Integers& values);
  std::string floats(std::string name, const Integers& shape, std::span<const float> values);
  // The same as i8 or i32, of values that are whole numbers.
  template <class T, class Number>
  std::string whole_numbers(std::string name, DType type, const Integers& shape, const std::vector<Number>& values);
  // A variable or constant as files have it, of that shape and of that name unless told otherwise.
  std::string variable(ValueId id, std::optional<Integers> shape = {});
  // A linear layer's weight, {in, out}.
  std::string transposed_weight(ValueId id);
  // Bytes of numbers and numbers of bytes.
  std::string quantized(const std::string& x, const Quantization& quantization) {
    return add("QuantizeLinear", {x, number(quantization.scale), byte(quantization.zero_point)});
  }
  std::string dequantized(const std::string& x, const Quantization& quantization) {
    return add("DequantizeLinear", {x, number(quantization.scale), byte(quantization.zero_point)});
  }
  // Of whole numbers that have a scale for each element of that axis.
  std::string dequantized(const std::string& x, DType type, const std::string& scale, int64_t channels, int64_t axis);
  std::vector<float> values_of(ValueId id) const;
  std::string name_of(ValueId id) const;

  // After what nodes and their outputs are called from here on.
  void name_after(std::string scope) { scope_ = std::move(scope); }
  void name_after(const Node& node, size_t index);
  void add_input(OnnxValue input) { model_.inputs.push_back(std::move(input)); }
  // The model, whose output is what `last` is the name of.
  OnnxModel finish(const std::string& last, OnnxValue output);

  [[noreturn]] void refuse(const Node& node, std::string_view why) const {
    throw Error(fmt::format("{} has no form in ONNX: {}", node.op->name(), why));
  }

 private:
  // Returns its name, which is another where another tensor has that.
  std::string add_tensor(OnnxTensor tensor);

  const Graph& graph_;
  const WeightSource& weights_;
  OnnxModel model_;
  std::vector<OnnxNames> names_;
  std::map<std::string, size_t> tensor_places_;  // by name
  std::string scope_;
  std::map<std::string, int> uses_;  // of a name
};

void OnnxExporter::set_alike(const Node& node, const auto& make) {
  const ValueId output = node.outputs[0];
  const bool any_maps = std::ranges::any_of(
      node.inputs, [&](ValueId id) { return id != kNoValue && rank(id) == 4 && rank(output) == 4 && is_maps(id); });
  std::vector<std::string> inputs;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue || rank(id) != rank(output)) continue;
    inputs.push_back(any_maps ? maps(id) : plain(id));
  }
  if (any_maps) {
    set_maps(output, make(inputs, int64_t{1}));
  } else {
    set_plain(output, make(inputs, rank(output) - 1));
  }
}

template <class T, class Number>
std::string OnnxExporter::whole_numbers(std::string name, DType type, const Integers& shape,
                                        const std::vector<Number>& values) {
  std::vector<T> whole(values.size());
  std::ranges::transform(values, whole.begin(), [](Number value) { return static_cast<T>(value); });
  return add_tensor(onnx_tensor<T>(std::move(name), type, shape, whole));
}

}  // namespace convoy
