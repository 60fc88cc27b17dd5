#include "ops/quantized_conv2d/quantized_conv2d.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "ops/activation/activation.h"
#include "ops/conv2d/products.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

void require_sound(const Op& op, std::string_view what, const Quantization& quantization) {
  if (quantization.sound()) return;
  throw Error(fmt::format("{}: expected a scale above 0 and a zero point from 0 to 255 of its {}, got {}", op.name(),
                          what, quantization.to_string()));
}

}  // namespace

std::shared_ptr<const QuantizedConv2dOp> QuantizedConv2dOp::as(const QuantizedLayer& layer) const {
  return std::make_shared<QuantizedConv2dOp>(attributes_, layer);
}

std::shared_ptr<const QuantizedConv2dOp> QuantizedLinearOp::as(const QuantizedLayer& layer) const {
  return std::make_shared<QuantizedLinearOp>(layer);
}

std::vector<TensorType> QuantizedConv2dOp::infer(std::span<const TensorType> inputs) const {
  expect_type(*this, inputs, kX, DType::u8);
  expect_type(*this, inputs, kWeight, DType::i8);
  for (const int i : {kWeightScale, kBias}) expect_type(*this, inputs, i, DType::f32);
  expect_type(*this, inputs, kAddend, layer_.addend_is_quantized() ? DType::u8 : DType::f32);
  require_sound(*this, "input", layer_.input);
  if (layer_.addend_is_quantized()) require_sound(*this, "addend", layer_.addend);
  if (layer_.output_is_quantized()) require_sound(*this, "output", layer_.output);

  expect_rank(*this, inputs, kWeight, 4, 4);
  const Shape& weight = inputs[kWeight].shape;
  const kernels::ConvGeometry g = attributes_.geometry(inputs[kX].shape, weight[-1]);
  expect_shape(*this, inputs, kWeight, {g.kernel_h, g.kernel_w, g.in_c / g.groups, g.out_c});
  for (const int i : {kWeightScale, kBias}) expect_shape(*this, inputs, i, {g.out_c});
  const Shape output = output_shape(inputs[kX].shape, g);
  expect_shape(*this, inputs, kAddend, output);
  if (const int64_t terms = weight.elements() / g.out_c; terms > kMostProducts) {
    throw Error(fmt::format("{}: expected sums of at most {} products, which 32 bits hold, got {}", name(),
                            kMostProducts, terms));
  }
  return {{output, layer_.output_is_quantized() ? DType::u8 : DType::f32}};
}

std::vector<std::pair<int, int>> QuantizedConv2dOp::in_place() const {
  if (layer_.addend_is_quantized() != layer_.output_is_quantized()) return {};
  return {{0, kAddend}};
}

std::optional<RowWindow> QuantizedConv2dOp::row_window(int input) const {
  if (input == kX) return attributes_.row_window();
  return input == kAddend ? std::optional(RowWindow()) : std::nullopt;
}

int QuantizedConv2dOp::addend() const {
  return layer_.activation == Activation::none && !layer_.output_is_quantized() ? kAddend : -1;
}

std::shared_ptr<const Op> QuantizedConv2dOp::with_activation(Activation function) const {
  if (layer_.activation != Activation::none || layer_.output_is_quantized()) return nullptr;
  QuantizedLayer layer = layer_;
  layer.activation = function;
  return as(layer);
}

void QuantizedConv2dOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                  const StepScalars&) const {
  const kernels::ConvGeometry g = attributes_.geometry(inputs[kX].type.shape, inputs[kWeight].type.shape[-1]);
  double* output = outputs[0].begin();
  for_each_product(g, [&](int64_t from, int64_t weight, int64_t to) {
    output[to] += (inputs[kX].begin()[from] - layer_.input.zero_point) * inputs[kWeight].begin()[weight];
  });
  for (int64_t i = 0; i < outputs[0].type.shape.elements(); ++i) {
    output[i] *= static_cast<double>(layer_.input.scale) * inputs[kWeightScale].begin()[i % g.out_c];
    if (inputs[kBias].type.present) output[i] += inputs[kBias].begin()[i % g.out_c];
    double addend = inputs[kAddend].type.present ? inputs[kAddend].begin()[i] : 0;
    if (layer_.addend_is_quantized()) addend = layer_.addend.dequantize(addend);
    output[i] = layer_.addend_last ? activate_reference(layer_.activation, output[i]) + addend
                                   : activate_reference(layer_.activation, output[i] + addend);
    if (layer_.output_is_quantized()) output[i] = layer_.output.quantize(output[i]);
  }
}

int64_t QuantizedConv2dOp::multiply_adds(std::span<const TensorType> inputs,
                                         std::span<const TensorType> outputs) const {
  return products(outputs[0].shape, inputs[kWeight].shape);
}

std::vector<OpType> quantized_conv2d_ops() { return {op_type<QuantizedConv2dOp>(), op_type<QuantizedLinearOp>()}; }

}  // namespace convoy
