#include "inference/onnx_graph.h"

#include <fmt/format.h>

#include <map>
#include <span>
#include <utility>

#include "convoy/error.h"
#include "inference/onnx_exporter.h"
#include "inference/onnx_preprocessing.h"
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

OnnxAttributes window_attributes(Size2 kernel, Size2 stride, Size2 padding, Size2 extra = 0) {
  return {{"kernel_shape", Integers{kernel.h, kernel.w}},
          {"strides", Integers{stride.h, stride.w}},
          {"pads", Integers{padding.h, padding.w, padding.h + extra.h, padding.w + extra.w}}};
}

std::string convolved(OnnxExporter& to, const ConvAttributes& conv, std::vector<std::string> inputs) {
  OnnxAttributes attributes = window_attributes(conv.kernel, conv.stride, conv.padding, conv.extra_padding);
  attributes.push_back({"dilations", Integers{conv.dilation.h, conv.dilation.w}});
  attributes.push_back({"group", conv.groups});
  return to.add("Conv", std::move(inputs), std::move(attributes));
}

void write_convolution(OnnxExporter& to, const Node& node) {
  const auto* op = op_as<Conv2dOp>(node);
  if (op->statistics() || (node.inputs[3] != kNoValue)) to.refuse(node, "it is part of a plan");
  std::vector<std::string> inputs{to.maps(node.inputs[0]), to.variable(node.inputs[1])};
  if (node.inputs[2] != kNoValue) inputs.push_back(to.variable(node.inputs[2]));
  to.set_maps(node.outputs[0], to.activated(op->activation(), convolved(to, op->conv(), std::move(inputs))));
}

// A linear layer: its input and weight as the product takes them, given their names and the weight's axis of outputs,
// its bias, if any, and what follows the sum.
void write_product(OnnxExporter& to, const Node& node, const std::vector<std::string>& bias, const auto& input_of,
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

void write_linear(OnnxExporter& to, const Node& node) {
  if (node.inputs[3] != kNoValue) to.refuse(node, "it is part of a plan");
  std::vector<std::string> bias;
  if (node.inputs[2] != kNoValue) bias.push_back(to.variable(node.inputs[2]));
  write_product(
      to, node, bias, [](const std::string& x) { return x; }, [](const std::string& weight, int64_t) { return weight; },
      [&](const std::string& sum) { return to.activated(op_as<Conv2dOp>(node)->activation(), sum); });
}

// The bias of a quantised layer as whole numbers of the size of its sums, which runtimes need to compute with whole
// numbers; as it is where these do not fit into 32 bits. None: there is none.
std::vector<std::string> quantized_bias(OnnxExporter& to, const Node& node) {
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
void write_quantized(OnnxExporter& to, const Node& node) {
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

void write_quantize(OnnxExporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t) {
    return to.quantized(inputs[0], op_as<QuantizeOp>(node)->quantization());
  });
}

void write_dequantize(OnnxExporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t) {
    return to.dequantized(inputs[0], op_as<DequantizeOp>(node)->quantization());
  });
}

void write_batch_norm(OnnxExporter& to, const Node& node) {
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

void write_layer_norm(OnnxExporter& to, const Node& node) {
  const std::vector<std::string> inputs{to.plain(node.inputs[0]), to.variable(node.inputs[1]),
                                        to.variable(node.inputs[2])};
  to.set_plain(node.outputs[0], to.add("LayerNormalization", inputs,
                                       {{"axis", int64_t{-1}}, {"epsilon", op_as<LayerNormOp>(node)->eps()}}));
}

// An instance norm, whose instances are groups, and what the channels are multiplied with and added to.
void write_group_norm(OnnxExporter& to, const Node& node) {
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

void write_activation(OnnxExporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t) {
    return to.activated(op_as<ActivationOp>(node)->function(), inputs[0]);
  });
}

void write_sum(OnnxExporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t) {
    std::string sum = inputs[0];
    for (size_t i = 1; i < inputs.size(); ++i) sum = to.add("Add", {sum, inputs[i]});
    return sum;
  });
}

void write_mul(OnnxExporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t) {
    return to.add("Mul", {inputs[0], inputs.back()});
  });
}

void write_channel_scale(OnnxExporter& to, const Node& node) {
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
void write_expand(OnnxExporter& to, const Node& node) {
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

void write_unary(OnnxExporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t) {
    return to.add(onnx_name(op_as<UnaryOp>(node)->function()), {inputs[0]});
  });
}

void write_concat(OnnxExporter& to, const Node& node) {
  to.set_alike(node, [&](const std::vector<std::string>& inputs, int64_t channels) {
    return to.add("Concat", inputs, {{"axis", channels}});
  });
}

void write_slice(OnnxExporter& to, const Node& node) {
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

void write_reshape(OnnxExporter& to, const Node& node) {
  const ValueId input = node.inputs[0], output = node.outputs[0];
  const Shape& from = to.shape(input);
  const bool same_order = to.is_maps(input) && from[1] == 1 && from[2] == 1;
  to.set_plain(output, to.reshaped(same_order ? to.maps(input) : to.plain(input), of_any_batch(to.shape(output))));
}

void write_transpose(OnnxExporter& to, const Node& node) {
  const Integers& axes = op_as<TransposeOp>(node)->axes();
  const ValueId input = node.inputs[0], output = node.outputs[0];
  if (axes == kToMaps && to.is_maps(input)) return to.set_plain(output, to.maps(input));
  if (axes == kFromMaps) return to.set_maps(output, to.plain(input));
  if (axes[0] != 0) to.refuse(node, "it moves the first axis, which is the batch's");
  to.set_plain(output, to.transposed(to.plain(input), axes));
}

void write_softmax(OnnxExporter& to, const Node& node) {
  to.set_plain(node.outputs[0], to.add("Softmax", {to.plain(node.inputs[0])}, {{"axis", int64_t{-1}}}));
}

void write_matmul(OnnxExporter& to, const Node& node) {
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

void write_max_pool(OnnxExporter& to, const Node& node) {
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

void write_avg_pool(OnnxExporter& to, const Node& node) {
  const PoolAttributes& pool = op_as<AvgPoolOp>(node)->pool();
  const ValueId output = node.outputs[0];
  const Shape& from = to.shape(node.inputs[0]);
  const std::string maps = to.maps(node.inputs[0]);
  const Size2 in{from[1], from[2]}, out = pool.adaptive;
  if (out.h == 0) {
    OnnxAttributes attributes = window_attributes(pool.kernel, pool.stride, pool.padding);
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
std::string moved(OnnxExporter& to, std::string maps, Size2 shift, Size2 extent) {
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

void write_window_partition(OnnxExporter& to, const Node& node) {
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

void write_window_merge(OnnxExporter& to, const Node& node) {
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
void write_relative_position_bias(OnnxExporter& to, const Node& node) {
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

const std::map<std::string_view, void (*)(OnnxExporter&, const Node&)>& writers() {
  static const std::map<std::string_view, void (*)(OnnxExporter&, const Node&)> kWriters{
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

}  // namespace

OnnxModel to_onnx(const Graph& graph, const WeightSource& weights, const OnnxGraphOptions& options) {
  OnnxExporter to(graph, weights, options.opset);
  const ValueId images = graph.named("images");
  const Shape& shape = to.shape(images);
  if (options.preprocessing) {
    to.add_input({"images", DType::u8, {"batch", "height", "width", shape[3]}});
    to.name_after("preprocessing");
    to.set_maps(images, preprocessed(to, *options.preprocessing));
  } else {
    to.add_input({"images", DType::f32, {"batch", shape[3], shape[1], shape[2]}});
    to.set_maps(images, "images");
  }
  for (size_t index = 0; index < graph.nodes().size(); ++index) {
    const Node& node = graph.nodes()[index];
    const auto writer = writers().find(node.op->name());
    if (writer == writers().end()) to.refuse(node, "it is known to Convoy alone");
    to.name_after(node, index);
    writer->second(to, node);
  }
  const ValueId logits = graph.output("logits");
  std::string last = to.plain(logits);
  to.name_after("output");
  if (options.softmax) last = to.add("Softmax", {last}, {{"axis", int64_t{-1}}});
  return to.finish(last, {options.softmax ? "probabilities" : "logits", DType::f32, {"batch", to.shape(logits)[-1]}});
}

}  // namespace convoy
