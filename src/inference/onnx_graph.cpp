#include "inference/onnx_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <map>
#include <memory>
#include <numbers>
#include <optional>
#include <span>
#include <utility>

#include "convoy/error.h"
#include "formats/layout.h"
#include "formats/onnx_fields.h"
#include "inference/quantize_graph.h"
#include "ops/activation/activation.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/channel_scale/channel_scale.h"
#include "ops/concat/concat.h"
#include "ops/conv2d/conv2d.h"
#include "ops/expand/expand.h"
#include "ops/group_norm/group_norm.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/matmul/matmul.h"
#include "ops/mul/mul.h"
#include "ops/pool/pool.h"
#include "ops/quantize/quantize.h"
#include "ops/quantized_conv2d/quantized_conv2d.h"
#include "ops/relative_position_bias/relative_position_bias.h"
#include "ops/reshape/reshape.h"
#include "ops/slice/slice.h"
#include "ops/softmax/softmax.h"
#include "ops/sum/sum.h"
#include "ops/transpose/transpose.h"
#include "ops/unary/unary.h"
#include "ops/window/window.h"

namespace convoy {
namespace {

using Attributes = std::vector<OnnxAttribute>;
using Integers = std::vector<int64_t>;

const Integers kToMaps{0, 3, 1, 2}, kFromMaps{0, 2, 3, 1};

bool alike(const OnnxTensor& a, const OnnxTensor& b) {
  return a.type == b.type && a.shape == b.shape && std::ranges::equal(a.bytes, b.bytes);
}

template <class T>
OnnxTensor tensor_of(std::string name, DType type, Integers shape, std::span<const T> values) {
  const auto owner = std::make_shared<const std::vector<T>>(values.begin(), values.end());
  return {std::move(name), type, std::move(shape), std::as_bytes(std::span(*owner)), owner};
}

// As attributes name a type.
int64_t onnx_type(DType type) { return onnx::type_number(type); }

Integers extents_of(const Shape& shape) { return {shape.extents().begin(), shape.extents().end()}; }

// The tensors' names in the model of a value of the graph. Feature maps are {N, C, H, W} where ONNX's ops want them so,
// and as the graph has them, {N, H, W, C}, where its own ops do; either is made of the other when it is asked for.
struct Names {
  std::string plain;  // in the graph's order of axes
  std::string maps;   // {N, C, H, W}
};

class Exporter {
 public:
  Exporter(const Graph& graph, const WeightSource& weights, const OnnxGraphOptions& options)
      : graph_(graph), weights_(weights), options_(options) {
    model_.opset = options.opset;
  }

  OnnxModel run();

  int64_t opset() const { return options_.opset; }
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
  std::string add(std::string op, std::vector<std::string> inputs, Attributes attributes = {});
  std::string transposed(const std::string& x, const Integers& axes) { return add("Transpose", {x}, {{"perm", axes}}); }
  std::string reshaped(const std::string& x, const Integers& to) { return add("Reshape", {x, integers(to)}); }
  std::string activated(Activation function, const std::string& x);
  std::string normalised(const std::string& x, ValueId weight, ValueId bias, const Integers& shape);

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

  // After which nodes and their outputs are called from here on.
  void name_after(const Node& node, size_t index);
  [[noreturn]] void refuse(const Node& node, std::string_view why) const {
    throw Error(fmt::format("{} has no form in ONNX: {}", node.op->name(), why));
  }

 private:
  // Returns its name, which is another where another tensor has that.
  std::string add_tensor(OnnxTensor tensor) {
    const std::string name = tensor.name;
    for (int copy = 2;; ++copy) {
      const auto [place, is_new] = tensor_places_.emplace(tensor.name, model_.tensors.size());
      if (is_new) model_.tensors.push_back(tensor);
      if (is_new || alike(model_.tensors[place->second], tensor)) return tensor.name;
      tensor.name = fmt::format("{}.{}", name, copy);
    }
  }
  void finish(ValueId logits);

  const Graph& graph_;
  const WeightSource& weights_;
  const OnnxGraphOptions& options_;
  OnnxModel model_;
  std::vector<Names> names_;
  std::map<std::string, size_t> tensor_places_;  // by name
  std::string scope_;
  std::map<std::string, int> uses_;  // of a name
};

std::string Exporter::plain(ValueId id) {
  Names& names = names_[static_cast<size_t>(id)];
  if (names.plain.empty()) {
    const ValueInfo& info = graph_.value(id);
    if (info.is_variable() || info.kind == ValueKind::constant) {
      return names.plain = floats(name_of(id), extents_of(info.type.shape), values_of(id));
    }
    names.plain = transposed(names.maps, kFromMaps);
  }
  return names.plain;
}

std::string Exporter::maps(ValueId id) {
  Names& names = names_[static_cast<size_t>(id)];
  if (names.maps.empty()) names.maps = transposed(plain(id), kToMaps);
  return names.maps;
}

void Exporter::set_alike(const Node& node, const auto& make) {
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

void Exporter::name_after(const Node& node, size_t index) {
  scope_ = fmt::format("{}_{}", node.op->name(), index);
  for (const ValueId id : node.inputs) {
    if (id == kNoValue || graph_.value(id).kind != ValueKind::parameter) continue;
    const std::string& name = graph_.value(id).name;
    if (const size_t dot = name.rfind('.'); dot != std::string::npos) scope_ = name.substr(0, dot);
    return;
  }
}

std::string Exporter::add(std::string op, std::vector<std::string> inputs, Attributes attributes) {
  std::string name = fmt::format("{}/{}", scope_, op);
  if (const int used = uses_[name]++; used > 0) name.append(fmt::format("_{}", used));
  model_.nodes.push_back({std::move(op), name, std::move(inputs), {name}, std::move(attributes)});
  return name;
}

std::string Exporter::number(float value) {
  std::string name = fmt::format("number_{}", value);
  return add_tensor(tensor_of(std::move(name), DType::f32, {}, std::span<const float>(&value, 1)));
}

std::string Exporter::byte(int value) {
  std::string name = fmt::format("byte_{}", value);
  const auto byte = static_cast<uint8_t>(value);
  return add_tensor(tensor_of(std::move(name), DType::u8, {}, std::span<const uint8_t>(&byte, 1)));
}

std::string Exporter::integer(int64_t value) {
  std::string name = fmt::format("integer_{}", value);
  return add_tensor(tensor_of(std::move(name), DType::i64, {}, std::span<const int64_t>(&value, 1)));
}

std::string Exporter::integers(const Integers& values) {
  std::string name = "integers";
  for (const int64_t value : values) name.append(fmt::format("_{}", value));
  return add_tensor(tensor_of<int64_t>(std::move(name), DType::i64, {static_cast<int64_t>(values.size())}, values));
}

std::string Exporter::floats(std::string name, const Integers& shape, std::span<const float> values) {
  return add_tensor(tensor_of(std::move(name), DType::f32, shape, values));
}

template <class T, class Number>
std::string Exporter::whole_numbers(std::string name, DType type, const Integers& shape,
                                    const std::vector<Number>& values) {
  std::vector<T> whole(values.size());
  std::ranges::transform(values, whole.begin(), [](Number value) { return static_cast<T>(value); });
  return add_tensor(tensor_of<T>(std::move(name), type, shape, whole));
}

std::string Exporter::dequantized(const std::string& x, DType type, const std::string& scale, int64_t channels,
                                  int64_t axis) {
  std::string zeros = fmt::format("zeros_{}_{}", to_string(type), channels);
  const std::vector<float> none(static_cast<size_t>(channels));
  zeros = type == DType::i8 ? whole_numbers<int8_t>(zeros, type, {channels}, none)
                            : whole_numbers<int32_t>(zeros, type, {channels}, none);
  return add("DequantizeLinear", {x, scale, zeros}, {{"axis", axis}});
}

std::string Exporter::name_of(ValueId id) const {
  const std::string& name = graph_.value(id).name;
  return name.empty() ? fmt::format("constant_{}", id) : name;
}

std::vector<float> Exporter::values_of(ValueId id) const {
  const ValueInfo& info = graph_.value(id);
  std::vector<float> values(static_cast<size_t>(info.type.shape.elements()), info.start.value);
  if (info.is_variable()) weights_(info.name, values);
  return values;
}

std::string Exporter::variable(ValueId id, std::optional<Integers> shape) {
  const ValueInfo& info = graph_.value(id);
  const std::vector<float> inside = values_of(id);
  std::vector<float> values(inside.size());
  to_file_layout(info.type.shape, info.layout, inside, values);
  const Integers extents = shape ? *shape : extents_of(file_shape(info.type.shape, info.layout));
  if (info.type.dtype == DType::i8) return whole_numbers<int8_t>(name_of(id), DType::i8, extents, values);
  return floats(name_of(id), extents, values);
}

std::string Exporter::transposed_weight(ValueId id) {
  const ValueInfo& info = graph_.value(id);
  const Integers extents{info.type.shape[-2], info.type.shape[-1]};
  const std::string name = info.name + ".T";
  if (info.type.dtype == DType::i8) return whole_numbers<int8_t>(name, DType::i8, extents, values_of(id));
  return floats(name, extents, values_of(id));
}

std::string Exporter::activated(Activation function, const std::string& x) {
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

Attributes window_attributes(Size2 kernel, Size2 stride, Size2 padding, Size2 extra = 0) {
  return {{"kernel_shape", Integers{kernel.h, kernel.w}},
          {"strides", Integers{stride.h, stride.w}},
          {"pads", Integers{padding.h, padding.w, padding.h + extra.h, padding.w + extra.w}}};
}

std::string convolved(Exporter& to, const ConvAttributes& conv, std::vector<std::string> inputs) {
  Attributes attributes = window_attributes(conv.kernel, conv.stride, conv.padding, conv.extra_padding);
  attributes.push_back({"dilations", Integers{conv.dilation.h, conv.dilation.w}});
  attributes.push_back({"group", conv.groups});
  return to.add("Conv", std::move(inputs), std::move(attributes));
}

void write_convolution(Exporter& to, const Node& node) {
  const auto* op = op_as<Conv2dOp>(node);
  if (op->statistics() || (node.inputs[3] != kNoValue)) to.refuse(node, "it is part of a plan");
  std::vector<std::string> inputs{to.maps(node.inputs[0]), to.variable(node.inputs[1])};
  if (node.inputs[2] != kNoValue) inputs.push_back(to.variable(node.inputs[2]));
  to.set_maps(node.outputs[0], to.activated(op->activation(), convolved(to, op->conv(), std::move(inputs))));
}

// A linear layer: its input and weight as the product takes them, given their names and the weight's axis of outputs,
// its bias, if any, and what follows the sum.
void write_product(Exporter& to, const Node& node, const std::vector<std::string>& bias, const auto& input_of,
                   const auto& weight_of, const auto& finished) {
  const ValueId input = node.inputs[0], weight = node.inputs[1], output = node.outputs[0];
  const auto with_bias = [&](std::vector<std::string> inputs) {
    inputs.insert(inputs.end(), bias.begin(), bias.end());
    return inputs;
  };
  if (to.is_maps(input)) {
    const Shape& shape = to.shape(weight);
    const std::string kernel = weight_of(to.variable(weight, Integers{shape[-1], shape[-2], 1, 1}), int64_t{0});
    to.set_maps(output, finished(to.add("Conv", with_bias({input_of(to.maps(input)), kernel}))));
  } else if (to.rank(input) == 2) {
    const std::string matrix = weight_of(to.variable(weight), int64_t{0});
    const std::vector<std::string> inputs = with_bias({input_of(to.plain(input)), matrix});
    to.set_plain(output, finished(to.add("Gemm", inputs, {{"transB", int64_t{1}}})));
  } else {
    const std::string matrix = weight_of(to.transposed_weight(weight), int64_t{1});
    std::string product = to.add("MatMul", {input_of(to.plain(input)), matrix});
    if (!bias.empty()) product = to.add("Add", {product, bias[0]});
    to.set_plain(output, finished(product));
  }
}

void write_linear(Exporter& to, const Node& node) {
  if (node.inputs[3] != kNoValue) to.refuse(node, "it is part of a plan");
  std::vector<std::string> bias;
  if (node.inputs[2] != kNoValue) bias.push_back(to.variable(node.inputs[2]));
  write_product(
      to, node, bias, [](const std::string& x) { return x; }, [](const std::string& weight, int64_t) { return weight; },
      [&](const std::string& sum) { return to.activated(op_as<Conv2dOp>(node)->activation(), sum); });
}

// The bias of a quantised layer as whole numbers of the size of its sums, which runtimes need to compute with whole
// numbers; as it is where these do not fit into 32 bits. None: there is none.
std::vector<std::string> quantized_bias(Exporter& to, const Node& node) {
  const ValueId bias = node.inputs[QuantizedConv2dOp::kBias];
  if (bias == kNoValue) return {};
  const auto whole = whole_bias(to.values_of(bias), to.values_of(node.inputs[QuantizedConv2dOp::kWeightScale]),
                                op_as<QuantizedConv2dOp>(node)->layer().input.scale);
  if (!whole) return {to.variable(bias)};
  const auto channels = std::ssize(whole->values);
  const std::string name = to.name_of(bias);
  const std::string values = to.whole_numbers<int32_t>(name, DType::i32, {channels}, whole->values);
  const std::string scales = to.floats(name + ".scale", {channels}, whole->scales);
  return {to.dequantized(values, DType::i32, scales, channels, 0)};
}

// Between DequantizeLinear and QuantizeLinear, by which runtimes know quantised layers.
void write_quantized(Exporter& to, const Node& node) {
  const auto* op = op_as<QuantizedConv2dOp>(node);
  const QuantizedLayer& layer = op->layer();
  if (node.inputs[QuantizedConv2dOp::kAddend] != kNoValue) to.refuse(node, "it is part of a plan");
  const ValueId weight = node.inputs[QuantizedConv2dOp::kWeight];
  const auto input_of = [&](const std::string& x) { return to.dequantized(x, layer.input); };
  const auto weight_of = [&](const std::string& numbers, int64_t axis) {
    const std::string scale = to.variable(node.inputs[QuantizedConv2dOp::kWeightScale]);
    return to.dequantized(numbers, DType::i8, scale, to.shape(weight)[-1], axis);
  };
  const auto finished = [&](const std::string& sum) {
    const std::string result = to.activated(layer.activation, sum);
    return layer.output_is_quantized() ? to.quantized(result, layer.output) : result;
  };
  const std::vector<std::string> bias = quantized_bias(to, node);
  if (op_as<QuantizedLinearOp>(node) != nullptr) return write_product(to, node, bias, input_of, weight_of, finished);
  std::vector<std::string> inputs{input_of(to.maps(node.inputs[0])), weight_of(to.variable(weight), 0)};
  inputs.insert(inputs.end(), bias.begin(), bias.end());
  to.set_maps(node.outputs[0], finished(convolved(to, op->conv(), std::move(inputs))));
}

void write_quantize(Exporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t) {
    return to.quantized(inputs[0], op_as<QuantizeOp>(node)->quantization());
  });
}

void write_dequantize(Exporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t) {
    return to.dequantized(inputs[0], op_as<DequantizeOp>(node)->quantization());
  });
}

void write_batch_norm(Exporter& to, const Node& node) {
  const BatchNormAttributes& norm = op_as<BatchNormOp>(node)->batch_norm();
  using Input = BatchNormOp::Input;
  if (norm.training || node.inputs[Input::kResidual] != kNoValue) to.refuse(node, "it is part of a plan");
  const ValueId input = node.inputs[0], output = node.outputs[0];
  const bool maps = to.rank(input) == 4;
  if (!maps && to.rank(input) != 2) to.refuse(node, "it is not of maps or vectors");
  std::vector<std::string> inputs{maps ? to.maps(input) : to.plain(input)};
  for (const int i : {Input::kWeight, Input::kBias, Input::kRunningMean, Input::kRunningVar}) {
    inputs.push_back(to.variable(node.inputs[static_cast<size_t>(i)]));
  }
  const std::string result =
      to.activated(norm.activation, to.add("BatchNormalization", inputs, {{"epsilon", norm.eps}}));
  maps ? to.set_maps(output, result) : to.set_plain(output, result);
}

void write_layer_norm(Exporter& to, const Node& node) {
  const std::vector<std::string> inputs{to.plain(node.inputs[0]), to.variable(node.inputs[1]),
                                        to.variable(node.inputs[2])};
  to.set_plain(node.outputs[0], to.add("LayerNormalization", inputs,
                                       {{"axis", int64_t{-1}}, {"epsilon", op_as<LayerNormOp>(node)->eps()}}));
}

// An instance norm, whose instances are groups, and what the channels are multiplied with and added to.
void write_group_norm(Exporter& to, const Node& node) {
  const GroupNormAttributes& norm = op_as<GroupNormOp>(node)->group_norm();
  const ValueId input = node.inputs[0];
  const Shape& shape = to.shape(input);
  // The channels first, {N, C, ...}, and the way back.
  Integers first{0, to.rank(input) - 1}, back{0}, extents{0, shape[-1]}, channels{shape[-1]};
  for (int axis = 1; axis + 1 < shape.rank(); ++axis) {
    first.push_back(axis);
    back.push_back(axis + 1);
    extents.push_back(shape[axis]);
    channels.push_back(1);
  }
  back.push_back(1);
  const bool maps = shape.rank() == 4;
  const std::string x = maps ? to.maps(input) : to.transposed(to.plain(input), first);
  const std::vector<float> ones(static_cast<size_t>(norm.groups), 1), zeros(static_cast<size_t>(norm.groups), 0);
  const std::string groups = to.reshaped(x, {0, norm.groups, -1});
  const std::string normalised = to.add("InstanceNormalization",
                                        {groups, to.floats(fmt::format("ones_{}", norm.groups), {norm.groups}, ones),
                                         to.floats(fmt::format("zeros_{}", norm.groups), {norm.groups}, zeros)},
                                        {{"epsilon", norm.eps}});
  const std::string scaled = to.add("Mul", {to.reshaped(normalised, extents), to.variable(node.inputs[1], channels)});
  const std::string result = to.add("Add", {scaled, to.variable(node.inputs[2], channels)});
  maps ? to.set_maps(node.outputs[0], result) : to.set_plain(node.outputs[0], to.transposed(result, back));
}

void write_activation(Exporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t) {
    return to.activated(op_as<ActivationOp>(node)->function(), inputs[0]);
  });
}

void write_sum(Exporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t) {
    std::string sum = inputs[0];
    for (size_t i = 1; i < inputs.size(); ++i) sum = to.add("Add", {sum, inputs[i]});
    return sum;
  });
}

void write_mul(Exporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t) {
    return to.add("Mul", {inputs[0], inputs.back()});
  });
}

void write_channel_scale(Exporter& to, const Node& node) {
  if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) to.refuse(node, "it is part of a plan");
  const ValueId input = node.inputs[0], scale = node.inputs[1], output = node.outputs[0];
  const int64_t channels = to.shape(input)[-1];
  const bool maps = to.is_maps(input);
  std::string factor;
  if (to.rank(scale) == 1) {
    factor = to.variable(scale, maps ? Integers{channels, 1, 1} : Integers{channels});
  } else if (to.rank(input) == 2) {
    factor = to.plain(scale);
  } else {
    Integers shape(static_cast<size_t>(to.rank(input)), 1);
    shape[0] = 0;
    shape[maps ? 1 : shape.size() - 1] = channels;
    factor = to.reshaped(to.plain(scale), shape);
  }
  const std::string product = to.add("Mul", {maps ? to.maps(input) : to.plain(input), factor});
  maps ? to.set_maps(output, product) : to.set_plain(output, product);
}

// ONNX's Expand repeats both ways, too.
void write_expand(Exporter& to, const Node& node) {
  const std::string input = to.plain(node.inputs[0]);
  to.set_plain(node.outputs[0], to.add("Expand", {input, to.add("Shape", {to.plain(node.inputs[1])})}));
}

std::string onnx_name(UnaryFunction function) {
  switch (function) {
    case UnaryFunction::tanh: return "Tanh";
    case UnaryFunction::erf: return "Erf";
    case UnaryFunction::exp: return "Exp";
    case UnaryFunction::log: return "Log";
    case UnaryFunction::sqrt: return "Sqrt";
    case UnaryFunction::reciprocal: return "Reciprocal";
    case UnaryFunction::abs: return "Abs";
  }
  return "";
}

void write_unary(Exporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t) {
    return to.add(onnx_name(op_as<UnaryOp>(node)->function()), {inputs[0]});
  });
}

void write_concat(Exporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t channels) {
    return to.add("Concat", inputs, {{"axis", channels}});
  });
}

void write_slice(Exporter& to, const Node& node) {
  const int64_t begin = op_as<SliceOp>(node)->begin(), end = begin + to.shape(node.outputs[0])[-1];
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t channels) {
    return to.add("Slice", {inputs[0], to.integers({begin}), to.integers({end}), to.integers({channels})});
  });
}

// The shape with the first extent left open, which is that of the batch or a multiple.
Integers of_any_batch(const Shape& shape) {
  Integers extents = extents_of(shape);
  extents[0] = -1;
  return extents;
}

void write_reshape(Exporter& to, const Node& node) {
  const ValueId input = node.inputs[0], output = node.outputs[0];
  const Shape& from = to.shape(input);
  const bool same_order = to.is_maps(input) && from[1] == 1 && from[2] == 1;
  to.set_plain(output, to.reshaped(same_order ? to.maps(input) : to.plain(input), of_any_batch(to.shape(output))));
}

void write_transpose(Exporter& to, const Node& node) {
  const Integers& axes = op_as<TransposeOp>(node)->axes();
  const ValueId input = node.inputs[0], output = node.outputs[0];
  if (axes == kToMaps && to.is_maps(input)) return to.set_plain(output, to.maps(input));
  if (axes == kFromMaps) return to.set_maps(output, to.plain(input));
  if (axes[0] != 0) to.refuse(node, "it moves the first axis, which is the batch's");
  to.set_plain(output, to.transposed(to.plain(input), axes));
}

void write_softmax(Exporter& to, const Node& node) {
  to.set_plain(node.outputs[0], to.add("Softmax", {to.plain(node.inputs[0])}, {{"axis", int64_t{-1}}}));
}

void write_matmul(Exporter& to, const Node& node) {
  const auto* op = op_as<MatmulOp>(node);
  const auto matrix = [&](ValueId id, bool turned) {
    if (!turned) return to.plain(id);
    Integers axes;
    for (int64_t axis = 0; axis < to.rank(id); ++axis) axes.push_back(axis);
    std::swap(axes[axes.size() - 1], axes[axes.size() - 2]);
    return to.transposed(to.plain(id), axes);
  };
  to.set_plain(node.outputs[0], to.add("MatMul", {matrix(node.inputs[0], op->transpose_a()),
                                                  matrix(node.inputs[1], op->transpose_b())}));
}

void write_max_pool(Exporter& to, const Node& node) {
  const PoolAttributes& pool = op_as<MaxPoolOp>(node)->pool();
  to.set_maps(node.outputs[0],
              to.add("MaxPool", {to.maps(node.inputs[0])}, window_attributes(pool.kernel, pool.stride, pool.padding)));
}

// {in, out}: what each output along an axis is the mean of, as torch's adaptive pooling has it.
std::vector<float> adaptive_means(int64_t in, int64_t out) {
  std::vector<float> matrix(static_cast<size_t>(in * out));
  for (int64_t o = 0; o < out; ++o) {
    const int64_t begin = o * in / out, end = ((o + 1) * in + out - 1) / out;
    for (int64_t i = begin; i < end; ++i) {
      matrix[static_cast<size_t>(i * out + o)] = 1.0F / static_cast<float>(end - begin);
    }
  }
  return matrix;
}

void write_avg_pool(Exporter& to, const Node& node) {
  const PoolAttributes& pool = op_as<AvgPoolOp>(node)->pool();
  const ValueId output = node.outputs[0];
  const Shape& from = to.shape(node.inputs[0]);
  const std::string maps = to.maps(node.inputs[0]);
  const Size2 in{from[1], from[2]}, out = pool.adaptive;
  if (out.h == 0) {
    Attributes attributes = window_attributes(pool.kernel, pool.stride, pool.padding);
    attributes.push_back({"count_include_pad", int64_t{pool.count_padding ? 1 : 0}});
    to.set_maps(output, to.add("AveragePool", {maps}, std::move(attributes)));
  } else if (out == Size2(1)) {
    to.set_maps(output, to.add("GlobalAveragePool", {maps}));
  } else if (in.h % out.h == 0 && in.w % out.w == 0) {
    const Size2 window{in.h / out.h, in.w / out.w};
    to.set_maps(output, to.add("AveragePool", {maps}, window_attributes(window, window, 0)));
  } else {
    const auto means = [&](int64_t from_extent, int64_t to_extent) {
      return to.floats(fmt::format("means_{}_{}", from_extent, to_extent), {from_extent, to_extent},
                       adaptive_means(from_extent, to_extent));
    };
    const Integers swap{0, 1, 3, 2};
    const std::string columns = to.transposed(to.add("MatMul", {maps, means(in.w, out.w)}), swap);
    to.set_maps(output, to.transposed(to.add("MatMul", {columns, means(in.h, out.h)}), swap));
  }
}

// The map moved up and left by `shift`, cyclically.
std::string moved(Exporter& to, std::string maps, Size2 shift, Size2 extent) {
  const auto move = [&](int64_t axis, int64_t by, int64_t all) {
    if (by % all == 0) return;
    const auto part = [&](int64_t begin, int64_t end) {
      return to.add("Slice", {maps, to.integers({begin}), to.integers({end}), to.integers({axis})});
    };
    const int64_t from = ((by % all) + all) % all;
    maps = to.add("Concat", {part(from, all), part(0, from)}, {{"axis", axis}});
  };
  move(1, shift.h, extent.h);
  move(2, shift.w, extent.w);
  return maps;
}

int64_t whole(int64_t extent, int64_t window) { return (extent + window - 1) / window * window; }

void write_window_partition(Exporter& to, const Node& node) {
  const WindowAttributes& cut = op_as<WindowPartitionOp>(node)->windows();
  const Shape& from = to.shape(node.inputs[0]);
  const Size2 padded{whole(from[1], cut.window.h), whole(from[2], cut.window.w)};
  std::string maps = to.plain(node.inputs[0]);
  if (padded.h != from[1] || padded.w != from[2]) {
    maps = to.add("Pad", {maps, to.integers({0, 0, 0, 0, 0, padded.h - from[1], padded.w - from[2], 0})});
  }
  maps = moved(to, maps, cut.shift, padded);
  maps = to.reshaped(maps, {-1, padded.h / cut.window.h, cut.window.h, padded.w / cut.window.w, cut.window.w, from[3]});
  maps = to.transposed(maps, {0, 1, 3, 2, 4, 5});
  to.set_plain(node.outputs[0], to.reshaped(maps, {-1, cut.window.h * cut.window.w, from[3]}));
}

void write_window_merge(Exporter& to, const Node& node) {
  const WindowAttributes& cut = op_as<WindowMergeOp>(node)->windows();
  const Shape& image = to.shape(node.outputs[0]);
  const Size2 padded{whole(image[1], cut.window.h), whole(image[2], cut.window.w)};
  std::string maps = to.reshaped(to.plain(node.inputs[0]), {-1, padded.h / cut.window.h, padded.w / cut.window.w,
                                                            cut.window.h, cut.window.w, image[3]});
  maps = to.reshaped(to.transposed(maps, {0, 1, 3, 2, 4, 5}), {-1, padded.h, padded.w, image[3]});
  maps = moved(to, maps, {-cut.shift.h, -cut.shift.w}, padded);
  if (padded.h != image[1] || padded.w != image[2]) {
    maps = to.add("Slice", {maps, to.integers({0, 0}), to.integers({image[1], image[2]}), to.integers({1, 2})});
  }
  to.set_plain(node.outputs[0], maps);
}

// What the op adds depends on the table alone: it is what it makes of scores of one image that are 0.
void write_relative_position_bias(Exporter& to, const Node& node) {
  const auto* op = op_as<RelativePositionBiasOp>(node);
  const ValueId scores = node.inputs[0], table = node.inputs[1];
  const Shape& all = to.shape(scores);
  const int64_t windows = op->options().windows.h * op->options().windows.w;
  const Shape one_image{windows, all[1], all[2], all[3]};
  const std::vector<float> table_values = to.values_of(table);
  std::vector<ReferenceTensor> inputs{
      {TensorType{one_image}, std::vector<double>(static_cast<size_t>(one_image.elements()), 0)},
      {TensorType{to.shape(table)}, {table_values.begin(), table_values.end()}}};
  std::vector<ReferenceTensor> outputs{inputs[0]};
  op->reference(inputs, outputs, {});
  std::vector<float> bias(outputs[0].data.begin(), outputs[0].data.end());
  const auto size = bias.size() / static_cast<size_t>(windows);
  const bool alike = op->options().shift == Size2(0);
  if (alike) bias.resize(size);
  const std::string name = to.name_of(table) + "/bias";
  Integers shape{all[1], all[2], all[3]};
  if (alike) {
    return to.set_plain(node.outputs[0], to.add("Add", {to.plain(scores), to.floats(name, shape, bias)}));
  }
  Integers by_image{-1, windows, all[1], all[2], all[3]};
  const std::string images = to.reshaped(to.plain(scores), by_image);
  const std::string sum = to.add("Add", {images, to.floats(name, {windows, all[1], all[2], all[3]}, bias)});
  to.set_plain(node.outputs[0], to.reshaped(sum, {-1, all[1], all[2], all[3]}));
}

const std::map<std::string_view, void (*)(Exporter&, const Node&)>& writers() {
  static const std::map<std::string_view, void (*)(Exporter&, const Node&)> kWriters{
      {Conv2dOp::kName, write_convolution},
      {LinearOp::kName, write_linear},
      {QuantizedConv2dOp::kName, write_quantized},
      {QuantizedLinearOp::kName, write_quantized},
      {QuantizeOp::kName, write_quantize},
      {DequantizeOp::kName, write_dequantize},
      {BatchNormOp::kName, write_batch_norm},
      {LayerNormOp::kName, write_layer_norm},
      {GroupNormOp::kName, write_group_norm},
      {ActivationOp::kName, write_activation},
      {SumOp::kName, write_sum},
      {MulOp::kName, write_mul},
      {ExpandOp::kName, write_expand},
      {UnaryOp::kName, write_unary},
      {ChannelScaleOp::kName, write_channel_scale},
      {ConcatOp::kName, write_concat},
      {SliceOp::kName, write_slice},
      {ReshapeOp::kName, write_reshape},
      {TransposeOp::kName, write_transpose},
      {SoftmaxOp::kName, write_softmax},
      {MatmulOp::kName, write_matmul},
      {MaxPoolOp::kName, write_max_pool},
      {AvgPoolOp::kName, write_avg_pool},
      {WindowPartitionOp::kName, write_window_partition},
      {WindowMergeOp::kName, write_window_merge},
      {RelativePositionBiasOp::kName, write_relative_position_bias},
  };
  return kWriters;
}

// The weights of Pillow's resampling filter at distances `t` from the pixel's centre, in units of its support's scale.
std::string filter_weights(Exporter& to, Interpolation filter, const std::string& t) {
  const auto number = [&](float value) { return to.number(value); };
  const std::string distance = to.add("Abs", {t});
  if (filter == Interpolation::bilinear) return to.add("Relu", {to.add("Sub", {number(1), distance})});
  if (filter == Interpolation::box) {
    const std::string inside =
        to.add("And", {to.add("Greater", {t, number(-0.5F)}), to.add("LessOrEqual", {t, number(0.5F)})});
    return to.add("Cast", {inside}, {{"to", onnx_type(DType::f32)}});
  }
  // Bicubic, with Pillow's a of -0.5: polynomials below a distance of 1 and of 2, in Horner's form.
  const auto polynomial = [&](std::initializer_list<float> coefficients) {
    std::string value = number(*coefficients.begin());
    for (const float* c = coefficients.begin() + 1; c != coefficients.end(); ++c) {
      value = to.add("Add", {to.add("Mul", {value, distance}), number(*c)});
    }
    return value;
  };
  const std::string near = polynomial({1.5F, -2.5F, 0, 1}), far = polynomial({-0.5F, 2.5F, -4, 2});
  const std::string beyond = to.add("Where", {to.add("Less", {distance, number(2)}), far, number(0)});
  return to.add("Where", {to.add("Less", {distance, number(1)}), near, beyond});
}

// A matrix of `in` rows and `out` columns, or the other way round: what Pillow makes each of `out` pixels of. Resize
// has no antialiasing before opset 18, and some runtimes ignore it.
std::string resampling_matrix(Exporter& to, Interpolation filter, const std::string& in, const std::string& out,
                              bool in_is_rows) {
  const auto odd_numbers = [&](const std::string& count, bool rows) {
    const std::string scalar = to.add("Squeeze", {count});
    const std::string range = to.add("Range", {to.integer(0), scalar, to.integer(1)});
    const std::string odd = to.add("Add", {to.add("Mul", {range, to.integer(2)}), to.integer(1)});
    return to.reshaped(odd, rows ? Integers{-1, 1} : Integers{1, -1});
  };
  const std::string from = odd_numbers(in, in_is_rows), onto = odd_numbers(out, !in_is_rows);
  const std::string centre = to.add("Mul", {onto, in});  // times 2 out, as are the distances from it
  const std::string twice_out = to.add("Mul", {out, to.integer(2)});
  const Attributes to_float{{"to", onnx_type(DType::f32)}};
  if (filter == Interpolation::nearest) {
    const std::string place = to.add("Div", {from, to.integer(2)});
    return to.add("Cast", {to.add("Equal", {place, to.add("Div", {centre, twice_out})})}, to_float);
  }
  const std::string distance = to.add("Cast", {to.add("Sub", {to.add("Mul", {from, out}), centre})}, to_float);
  const std::string scale = to.add("Mul", {to.add("Max", {in, out}), to.integer(2)});
  const std::string weights = filter_weights(to, filter, to.add("Div", {distance, to.add("Cast", {scale}, to_float)}));
  return to.add("Div", {weights, to.add("ReduceSum", {weights, to.integers({in_is_rows ? 0 : 1})})});
}

// prepare() and Normalizer (data/transform.h) of the input "images" {N, H, W, 3}, as {N, 3, S, S}. It resizes rows,
// then columns, and rounds to bytes after each, as Pillow does for most shapes.
std::string preprocessed(Exporter& to, const Preprocessing& preprocessing) {
  const int64_t side = preprocessing.image_size;
  const Attributes to_float{{"to", onnx_type(DType::f32)}};
  const auto extent = [&](const std::string& x, int64_t axis) {
    return to.add("Gather", {to.add("Shape", {x}), to.integers({axis})});
  };
  std::string maps = to.add("Cast", {to.transposed("images", kToMaps)}, to_float);
  const std::string height = extent(maps, 2), width = extent(maps, 3);
  const bool crops = preprocessing.resize_mode == ResizeMode::crop;
  const auto shorter = static_cast<int64_t>(std::floor(static_cast<double>(side) / preprocessing.crop_pct));
  const std::string least = crops ? to.add("Min", {height, width}) : "";
  const auto resized = [&](const std::string& from) {
    if (!crops) return to.integers({side});
    return to.add("Div", {to.add("Mul", {from, to.integers({shorter})}), least});
  };
  const auto to_bytes = [&](const std::string& x) {
    return to.add("Clip", {to.add("Floor", {to.add("Add", {x, to.number(0.5F)})}), to.number(0), to.number(255)});
  };
  const Interpolation filter = preprocessing.interpolation;
  const std::string columns = resampling_matrix(to, filter, width, resized(width), true);
  maps = to_bytes(to.add("MatMul", {maps, columns}));
  const std::string rows = resampling_matrix(to, filter, height, resized(height), false);
  maps = to_bytes(to.add("MatMul", {rows, maps}));
  if (crops) {
    const std::string now = to.add("Concat", {extent(maps, 2), extent(maps, 3)}, {{"axis", int64_t{0}}});
    const std::string spare = to.add("Cast", {to.add("Sub", {now, to.integers({side})})}, to_float);
    const std::string half = to.add("Round", {to.add("Mul", {spare, to.number(0.5F)})});
    const std::string begin = to.add("Cast", {half}, {{"to", onnx_type(DType::i64)}});
    maps = to.add("Slice", {maps, begin, to.add("Add", {begin, to.integers({side})}), to.integers({2, 3})});
  }
  const std::string scaled = to.add("Div", {maps, to.number(255)});
  const std::string centred = to.add("Sub", {scaled, to.floats("preprocessing/mean", {3, 1, 1}, preprocessing.mean)});
  return to.add("Div", {centred, to.floats("preprocessing/std", {3, 1, 1}, preprocessing.std)});
}

void Exporter::finish(ValueId logits) {
  std::string last = plain(logits);
  scope_ = "output";
  if (options_.softmax) last = add("Softmax", {last}, {{"axis", int64_t{-1}}});
  const std::string name = options_.softmax ? "probabilities" : "logits";
  for (OnnxNode& node : model_.nodes) {
    std::ranges::replace(node.inputs, last, name);
    std::ranges::replace(node.outputs, last, name);
  }
  model_.outputs.push_back({name, DType::f32, {"batch", shape(logits)[-1]}});
}

OnnxModel Exporter::run() {
  names_.resize(static_cast<size_t>(graph_.value_count()));
  const ValueId images = graph_.named("images");
  const Shape& shape = this->shape(images);
  if (options_.preprocessing) {
    model_.inputs.push_back({"images", DType::u8, {"batch", "height", "width", shape[3]}});
    scope_ = "preprocessing";
    set_maps(images, preprocessed(*this, *options_.preprocessing));
  } else {
    model_.inputs.push_back({"images", DType::f32, {"batch", shape[3], shape[1], shape[2]}});
    set_maps(images, "images");
  }
  for (size_t index = 0; index < graph_.nodes().size(); ++index) {
    const Node& node = graph_.nodes()[index];
    const auto writer = writers().find(node.op->name());
    if (writer == writers().end()) refuse(node, "it is known to Convoy alone");
    name_after(node, index);
    writer->second(*this, node);
  }
  finish(graph_.output("logits"));
  return std::move(model_);
}

}  // namespace

OnnxModel to_onnx(const Graph& graph, const WeightSource& weights, const OnnxGraphOptions& options) {
  return Exporter(graph, weights, options).run();
}

}  // namespace convoy
