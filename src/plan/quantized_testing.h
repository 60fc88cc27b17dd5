// A small quantised network, for tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "convoy/model.h"
#include "convoy/ops.h"
#include "core/random.h"
#include "ops/append.h"
#include "ops/quantize/quantize.h"
#include "ops/quantized_conv2d/quantized_conv2d.h"
#include "plan/variables.h"

namespace convoy {

inline Value quantize(Value x, Quantization quantization) {
  return append(std::make_shared<QuantizeOp>(quantization), {x});
}
inline Value dequantize(Value x, Quantization quantization) {
  return append(std::make_shared<DequantizeOp>(quantization), {x});
}

// With the parameters weight, weight_scale and bias.
inline Value quantized_conv2d(Builder b, Value x, Quantization input, const ConvAttributes& conv,
                              int64_t out_channels) {
  const Shape shape{conv.kernel.h, conv.kernel.w, x.channels() / conv.groups, out_channels};
  const Value weight = b.parameter("weight", shape, Initializer::constant(0), FileLayout::conv, Role::other, DType::i8);
  const Value scale = b.parameter("weight_scale", {out_channels}, Initializer::constant(1));
  const Value bias = b.parameter("bias", {out_channels}, Initializer::constant(0));
  return append(std::make_shared<QuantizedConv2dOp>(conv, QuantizedLayer{.input = input}),
                {x, weight, scale, bias, Value()});
}

// A convolution, a residual block with a depthwise one, and a head.
inline Value quantized_net(Builder b, Value x, const ModelOptions& options) {
  const Quantization images{0.02F, 128}, stem{0.05F, 0}, block{0.06F, 0}, pooled{0.03F, 0};
  x = quantized_conv2d(b / "conv", quantize(x, images), images, {.kernel = 3, .padding = 1}, 12);
  x = quantize(max_pool(relu(x), {.kernel = 3, .stride = 1, .padding = 1}), stem);
  const Value y = quantized_conv2d(b / "mix", x, stem, {.kernel = 3, .padding = 1, .groups = 12}, 12);
  const Value skip = dequantize(x, stem);
  x = quantize(relu(add(y, skip)), block);
  x = global_avg_pool(dequantize(x, block));
  x = quantize(concat({slice_channels(x, 5, 12), slice_channels(x, 0, 5)}), pooled);
  b = b / "fc";
  const Value weight = b.parameter("weight", {1, 1, 12, options.num_classes}, Initializer::constant(0),
                                   FileLayout::linear, Role::head_weight, DType::i8);
  const Value scale =
      b.parameter("weight_scale", {options.num_classes}, Initializer::constant(1), FileLayout::same, Role::head_bias);
  return append(std::make_shared<QuantizedLinearOp>(QuantizedLayer{.input = pooled}),
                {x, weight, scale, Value(), Value()});
}

// Weights of that network, drawn.
inline void draw_quantized(const Graph& graph, Variables& variables) {
  variables.add(graph, std::nullopt);
  for (const auto& [name, variable] : variables.all()) {
    const bool is_weight = variable.view.dtype == DType::i8, is_scale = name.ends_with("scale");
    RandomStream random(1, name);
    std::vector<float> values(static_cast<size_t>(variable.elements()));
    for (float& x : values) {
      x = is_weight ? static_cast<float>(random.below(255)) - 127 : random.uniform(is_scale ? 0.002F : -0.5F, 0.5F);
      if (is_scale) x /= 50;
    }
    variables.write(name, values);
  }
}

}  // namespace convoy
