#include "inference/onnx_exporter.h"

#include <cmath>
#include <numbers>

#include "formats/layout.h"

namespace convoy {
namespace {

bool alike(const OnnxTensor& a, const OnnxTensor& b) {
  return a.type == b.type && a.shape == b.shape && std::ranges::equal(a.bytes, b.bytes);
}

}  // namespace

OnnxExporter::OnnxExporter(const Graph& graph, const WeightSource& weights, int64_t opset)
    : graph_(graph), weights_(weights), names_(static_cast<size_t>(graph.value_count())) {
  model_.opset = opset;
}

std::string OnnxExporter::plain(ValueId id) {
  OnnxNames& names = names_[static_cast<size_t>(id)];
  if (names.plain.empty()) {
    const ValueInfo& info = graph_.value(id);
    if (info.is_variable() || info.kind == ValueKind::constant) {
      return names.plain = floats(name_of(id), extents_of(info.type.shape), values_of(id));
    }
    names.plain = transposed(names.maps, kFromMaps);
  }
  return names.plain;
}

std::string OnnxExporter::maps(ValueId id) {
  OnnxNames& names = names_[static_cast<size_t>(id)];
  if (names.maps.empty()) names.maps = transposed(plain(id), kToMaps);
  return names.maps;
}

void OnnxExporter::name_after(const Node& node, size_t index) {
  scope_ = fmt::format("{}_{}", node.op->name(), index);
  for (const ValueId id : node.inputs) {
    if (id == kNoValue || graph_.value(id).kind != ValueKind::parameter) continue;
    const std::string& name = graph_.value(id).name;
    if (const size_t dot = name.rfind('.'); dot != std::string::npos) scope_ = name.substr(0, dot);
    return;
  }
}

std::string OnnxExporter::add(std::string op, std::vector<std::string> inputs, OnnxAttributes attributes) {
  std::string name = fmt::format("{}/{}", scope_, op);
  if (const int used = uses_[name]++; used > 0) name.append(fmt::format("_{}", used));
  model_.nodes.push_back({std::move(op), name, std::move(inputs), {name}, std::move(attributes)});
  return name;
}

std::string OnnxExporter::add_tensor(OnnxTensor tensor) {
  const std::string name = tensor.name;
  for (int copy = 2;; ++copy) {
    const auto [place, is_new] = tensor_places_.emplace(tensor.name, model_.tensors.size());
    if (is_new) model_.tensors.push_back(tensor);
    if (is_new || alike(model_.tensors[place->second], tensor)) return tensor.name;
    tensor.name = fmt::format("{}.{}", name, copy);
  }
}

std::string OnnxExporter::number(float value) {
  std::string name = fmt::format("number_{}", value);
  return add_tensor(onnx_tensor(std::move(name), DType::f32, {}, std::span<const float>(&value, 1)));
}

std::string OnnxExporter::byte(int value) {
  std::string name = fmt::format("byte_{}", value);
  const auto byte = static_cast<uint8_t>(value);
  return add_tensor(onnx_tensor(std::move(name), DType::u8, {}, std::span<const uint8_t>(&byte, 1)));
}

std::string OnnxExporter::integer(int64_t value) {
  std::string name = fmt::format("integer_{}", value);
  return add_tensor(onnx_tensor(std::move(name), DType::i64, {}, std::span<const int64_t>(&value, 1)));
}

std::string OnnxExporter::integers(const Integers& values) {
  std::string name = "integers";
  for (const int64_t value : values) name.append(fmt::format("_{}", value));
  return add_tensor(onnx_tensor<int64_t>(std::move(name), DType::i64, {static_cast<int64_t>(values.size())}, values));
}

std::string OnnxExporter::floats(std::string name, const Integers& shape, std::span<const float> values) {
  return add_tensor(onnx_tensor(std::move(name), DType::f32, shape, values));
}

std::string OnnxExporter::dequantized(const std::string& x, DType type, const std::string& scale, int64_t channels,
                                      int64_t axis) {
  std::string zeros = fmt::format("zeros_{}_{}", to_string(type), channels);
  const std::vector<float> none(static_cast<size_t>(channels));
  zeros = type == DType::i8 ? whole_numbers<int8_t>(zeros, type, {channels}, none)
                            : whole_numbers<int32_t>(zeros, type, {channels}, none);
  return add("DequantizeLinear", {x, scale, zeros}, {{"axis", axis}});
}

std::string OnnxExporter::name_of(ValueId id) const {
  const std::string& name = graph_.value(id).name;
  return name.empty() ? fmt::format("constant_{}", id) : name;
}

std::vector<float> OnnxExporter::values_of(ValueId id) const {
  const ValueInfo& info = graph_.value(id);
  std::vector<float> values(static_cast<size_t>(info.type.shape.elements()), info.start.value);
  if (info.is_variable()) weights_(info.name, values);
  return values;
}

std::string OnnxExporter::variable(ValueId id, std::optional<Integers> shape) {
  const ValueInfo& info = graph_.value(id);
  const std::vector<float> inside = values_of(id);
  std::vector<float> values(inside.size());
  to_file_layout(info.type.shape, info.layout, inside, values);
  const Integers extents = shape ? *shape : extents_of(file_shape(info.type.shape, info.layout));
  if (info.type.dtype == DType::i8) return whole_numbers<int8_t>(name_of(id), DType::i8, extents, values);
  return floats(name_of(id), extents, values);
}

std::string OnnxExporter::transposed_weight(ValueId id) {
  const ValueInfo& info = graph_.value(id);
  const Integers extents{info.type.shape[-2], info.type.shape[-1]};
  const std::string name = info.name + ".T";
  if (info.type.dtype == DType::i8) return whole_numbers<int8_t>(name, DType::i8, extents, values_of(id));
  return floats(name, extents, values_of(id));
}

std::string OnnxExporter::activated(Activation function, const std::string& x) {
  switch (function) {
    case Activation::none: return x;
    case Activation::relu: return add("Relu", {x});
    case Activation::relu6: return add("Clip", {x, number(0), number(6)});
    case Activation::leaky_relu: return add("LeakyRelu", {x}, {{"alpha", 0.01F}});
    case Activation::silu: return add("Mul", {x, add("Sigmoid", {x})});
    case Activation::hard_swish: return add("HardSwish", {x});
    case Activation::hard_sigmoid: return add("HardSigmoid", {x}, {{"alpha", 1.0F / 6}, {"beta", 0.5F}});
    case Activation::sigmoid: return add("Sigmoid", {x});
    case Activation::gelu: {
      if (opset() >= 20) return add("Gelu", {x});
      const std::string erf = add("Erf", {add("Div", {x, number(std::numbers::sqrt2_v<float>)})});
      return add("Mul", {add("Mul", {x, add("Add", {erf, number(1)})}), number(0.5F)});
    }
    case Activation::gelu_tanh: {
      if (opset() >= 20) return add("Gelu", {x}, {{"approximate", std::string("tanh")}});
      const std::string cube = add("Mul", {add("Mul", {x, x}), x});
      const std::string sum = add("Add", {x, add("Mul", {cube, number(0.044715F)})});
      const std::string tanh = add("Tanh", {add("Mul", {sum, number(std::sqrt(2 / std::numbers::pi_v<float>))})});
      return add("Mul", {add("Mul", {x, add("Add", {tanh, number(1)})}), number(0.5F)});
    }
  }
  return x;
}

OnnxModel OnnxExporter::finish(const std::string& last, OnnxValue output) {
  for (OnnxNode& node : model_.nodes) {
    std::ranges::replace(node.inputs, last, output.name);
    std::ranges::replace(node.outputs, last, output.name);
  }
  model_.outputs.push_back(std::move(output));
  return std::move(model_);
}

}  // namespace convoy
