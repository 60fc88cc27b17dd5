#include "inference/onnx_quantized.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ops/quantized_conv2d/quantized_conv2d.h"

namespace convoy {
namespace {

// The type of an initializer, an input or a Constant; none: it is another node's.
std::optional<DType> type_of(const OnnxTracer& tracer, const std::string& name) {
  const OnnxModel& model = tracer.model();
  const auto tensor = std::ranges::find(model.tensors, name, &OnnxTensor::name);
  if (tensor != model.tensors.end()) return tensor->type;
  const auto input = std::ranges::find(model.inputs, name, &OnnxValue::name);
  if (input != model.inputs.end()) return input->type;
  const OnnxNode* node = tracer.producer(name);
  if (node == nullptr || node->op != "Constant" || node->attributes.size() != 1) return std::nullopt;
  const auto* value = std::get_if<OnnxTensor>(&node->attributes[0].value);
  return value == nullptr ? std::nullopt : std::optional(value->type);
}

// The DequantizeLinear that makes an input of the node, as a call.
std::optional<OnnxCall> dequantize_of(const OnnxCall& layer, size_t input) {
  const OnnxNode* node = layer.has(input) ? layer.tracer().producer(layer.node().inputs[input]) : nullptr;
  if (node == nullptr || node->op != "DequantizeLinear" || node->inputs.size() < 2) return std::nullopt;
  return OnnxCall(layer.tracer(), *node);
}

// One number for each place along the axis of a shape; none: it is not so.
template <class T>
std::optional<std::vector<T>> along_axis(const OnnxCall& call, const std::vector<T>& values, const Integers& shape,
                                         size_t out_axis) {
  const auto count = static_cast<size_t>(shape[out_axis]);
  if (values.size() == 1) return std::vector<T>(count, values[0]);
  const int axis = call.axis(call.integer("axis", 1), static_cast<int>(shape.size()));
  if (values.size() != count || static_cast<size_t>(axis) != out_axis) return std::nullopt;
  return values;
}

// Elements that follow one another at one place along the axis.
size_t elements_behind(const Integers& shape, size_t axis) {
  size_t count = 1;
  for (size_t i = axis + 1; i < shape.size(); ++i) count *= static_cast<size_t>(shape[i]);
  return count;
}

// Fills in the levels and scales of a weight; false where they are not of a quantised layer.
bool find_weight(const OnnxCall& dequantize, size_t out_axis, QuantizedOperands& operands) {
  const Traced &weight = dequantize.input(0), &scale = dequantize.input(1);
  if (!weight.is_known() || !weight.one->is_integer() || !scale.is_known() || scale.one->is_integer()) return false;
  if (dequantize.integer("block_size", 0) != 0 || out_axis >= weight.shape.size()) return false;
  const Integers& values = weight.one->integers();
  const Integers given = dequantize.has(2) ? dequantize.known_integers(2, "zero point") : Integers{0};
  const auto scales = along_axis(dequantize, scale.one->floats(), weight.shape, out_axis);
  const auto zero_points = along_axis(dequantize, given, weight.shape, out_axis);
  if (!scales || !zero_points || values.empty()) return false;
  if (std::ssize(values) / std::ssize(*scales) > QuantizedConv2dOp::kMostProducts) return false;
  if (!std::ranges::all_of(*scales, [](float x) { return std::isfinite(x) && x > 0; })) return false;
  const size_t inner = elements_behind(weight.shape, out_axis), out = scales->size();
  for (size_t i = 0; i < values.size(); ++i) {
    // Of any integers: they are compared before they are subtracted.
    const auto is_byte = [](int64_t x) { return -128 <= x && x <= 255; };
    const int64_t value = values[i], zero_point = (*zero_points)[i / inner % out];
    if (!is_byte(value) || !is_byte(zero_point)) return false;
    const int64_t level = value - zero_point;
    if (level < -127 || level > 127) return false;
    operands.levels.push_back(static_cast<float>(level));
  }
  operands.scales = *scales;
  return true;
}

}  // namespace

bool makes_signed_bytes(const OnnxCall& quantize) {
  if (!quantize.has(2)) {
    if (quantize.has_attribute("output_dtype")) quantize.refuse("output_dtype is not supported");
    return false;
  }
  const std::optional<DType> type = type_of(quantize.tracer(), quantize.node().inputs[2]);
  if (type != DType::u8 && type != DType::i8) quantize.refuse("expected a known zero point of 8 bits");
  return type == DType::i8;
}

Quantization quantization_of(const OnnxCall& call, bool has_sign) {
  const std::optional<float> scale = call.uniform(1);
  const Integers zero_points = call.has(2) ? call.known_integers(2, "zero point") : Integers{0};
  const bool alike = std::ranges::all_of(zero_points, [&](int64_t x) { return x == zero_points[0]; });
  if (!scale || zero_points.empty() || !alike) call.refuse("expected one known scale and zero point for all elements");
  const int64_t shift = has_sign ? 128 : 0;
  if (zero_points[0] < -shift || zero_points[0] > 255 - shift) call.refuse("expected a zero point of 8 bits");
  return {.scale = *scale, .zero_point = static_cast<int>(zero_points[0] + shift)};
}

Traced quantized_constant(const OnnxCall& quantize) {
  const Traced& x = quantize.input(0);
  const int64_t least = makes_signed_bytes(quantize) ? -128 : 0;
  const std::vector<float> given = quantize.known_floats(1, "scale");
  const Integers given_zeros = quantize.has(2) ? quantize.known_integers(2, "zero point") : Integers{0};
  const auto bytes_of = [&](const OnnxConstant& floats) {
    if (floats.is_integer()) quantize.refuse("expected floats, got integers");
    const int rank = static_cast<int>(floats.shape.size());
    const bool by_place = given.size() > 1 || given_zeros.size() > 1;
    const auto axis = static_cast<size_t>(by_place ? quantize.axis(quantize.integer("axis", 1), rank) : 0);
    const Integers shape = rank > 0 ? floats.shape : Integers{1};
    const auto scales = along_axis(quantize, given, shape, axis);
    const auto zero_points = along_axis(quantize, given_zeros, shape, axis);
    if (!scales || !zero_points || quantize.integer("block_size", 0) != 0) {
      quantize.refuse("expected one scale and zero point, or one for each place along an axis");
    }
    const size_t inner = elements_behind(shape, axis);
    Integers bytes;
    for (size_t i = 0; i < floats.floats().size(); ++i) {
      const size_t place = i / inner % scales->size();
      const double step =
          std::nearbyint(static_cast<double>(floats.floats()[i]) / static_cast<double>((*scales)[place]));
      const double byte = step + static_cast<double>((*zero_points)[place]), low = static_cast<double>(least);
      bytes.push_back(std::isnan(byte) ? least : static_cast<int64_t>(std::clamp(byte, low, low + 255)));
    }
    return OnnxConstant{floats.shape, std::move(bytes)};
  };
  return OnnxTracer::constant(bytes_of(*x.one), bytes_of(*x.two), x.source);
}

Value QuantizedOperands::weight_variable(OnnxTracer& tracer, const Shape& shape, std::vector<float> values,
                                         FileLayout layout) const {
  return tracer.weight(weight, weight_source, shape, std::move(values), layout, true, Role::other, DType::i8);
}

Value QuantizedOperands::scale_variable(OnnxTracer& tracer) const {
  return tracer.weight(scale, scale_source, {std::ssize(scales)}, scales, FileLayout::same, true);
}

std::optional<QuantizedOperands> quantized_operands(const OnnxCall& layer, size_t out_axis) {
  const std::optional<OnnxCall> input = dequantize_of(layer, 0), weight = dequantize_of(layer, 1);
  if (!input || !weight || !layer.tracer().is_bytes(input->input(0))) return std::nullopt;
  QuantizedOperands operands;
  if (!find_weight(*weight, out_axis, operands)) return std::nullopt;
  operands.bytes = input->input(0);
  operands.quantization = quantization_of(*input, operands.bytes.has_sign);
  const OnnxTracer& tracer = layer.tracer();
  operands.weight_source = weight->input(0).source;
  operands.weight = tracer.weight_name(weight->input(0), layer.node(), "weight");
  operands.scale_source = weight->input(1).source;
  operands.scale = operands.scale_source.empty() ? operands.weight + "_scale" : operands.scale_source;
  return operands;
}

}  // namespace convoy
