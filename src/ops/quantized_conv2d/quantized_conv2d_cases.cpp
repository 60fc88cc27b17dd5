#include "ops/append.h"
#include "ops/op_case.h"
#include "ops/quantized_conv2d/quantized_conv2d.h"

namespace convoy {
namespace {

enum class Addend { none, floats, bytes, last_bytes };

OpCase quantized_case(const std::string& name, const Shape& input, const ConvAttributes& conv, int64_t out_channels,
                      int zero_point, Addend addend, Activation function, Quantization output, bool is_linear) {
  const kernels::ConvGeometry g = conv.geometry(input, out_channels);
  const bool adds_bytes = addend == Addend::bytes || addend == Addend::last_bytes;
  const QuantizedLayer layer{.input = {0.02F, zero_point},
                             .addend = adds_bytes ? Quantization{0.03F, 117} : Quantization{},
                             .output = output,
                             .activation = function,
                             .addend_last = addend == Addend::last_bytes};
  std::vector<OpCase::Input> inputs{{input, 0, 255, false, DType::u8},
                                    {{g.kernel_h, g.kernel_w, g.in_c / g.groups, g.out_c}, -127, 127, false, DType::i8},
                                    {{g.out_c}, 0.001F, 0.01F, false},
                                    {{g.out_c}, -1, 1, false}};
  if (addend == Addend::floats) inputs.push_back({output_shape(input, g), -1, 1, false});
  if (adds_bytes) inputs.push_back({output_shape(input, g), 0, 255, false, DType::u8});
  const auto build = [=](Builder, std::vector<Value> in) {
    in.resize(5);
    std::shared_ptr<const Op> op;
    if (is_linear) {
      op = std::make_shared<QuantizedLinearOp>(layer);
    } else {
      op = std::make_shared<QuantizedConv2dOp>(conv, layer);
    }
    return std::vector<Value>{append(std::move(op), in)};
  };
  return {name, std::move(inputs), build, Mode::inference, 1e-6};
}

}  // namespace

std::vector<OpCase> quantized_conv2d_cases() {
  const auto conv = [](const std::string& name, const Shape& input, const ConvAttributes& attributes,
                       int64_t out_channels, int zero_point, Addend addend = Addend::none,
                       Activation function = Activation::none, Quantization output = {}) {
    return quantized_case("quantized_conv2d/" + name, input, attributes, out_channels, zero_point, addend, function,
                          output, false);
  };
  const auto linear = [](const std::string& name, const Shape& input, int zero_point, Quantization output = {}) {
    return quantized_case("quantized_linear/" + name, input, {}, 10, zero_point, Addend::none, Activation::none, output,
                          true);
  };
  return {
      linear("vectors", {5, 23}, 0),
      linear("rows", {2, 7, 23}, 128),
      linear("maps", {2, 3, 5, 24}, 255, {0.09F, 130}),
      conv("1x1", {2, 5, 7, 12}, {}, 20, 0),
      conv("1x1_wide", {3, 9, 11, 64}, {}, 96, 7, Addend::none, Activation::relu, {0.2F, 0}),
      conv("1x1_stride2", {2, 6, 7, 17}, {.stride = 2}, 9, 128, Addend::floats),
      conv("3x3", {2, 7, 6, 17}, {.kernel = 3, .padding = 1}, 33, 128, Addend::bytes, Activation::relu, {0.08F, 0}),
      conv("3x3_deep", {1, 6, 7, 130}, {.kernel = 3, .padding = 1}, 40, 3, Addend::bytes, Activation::none,
           {0.3F, 131}),
      conv("3x3_adds_last", {2, 7, 6, 17}, {.kernel = 3, .padding = 1}, 33, 128, Addend::last_bytes,
           Activation::hard_swish, {0.081F, 20}),
      conv("3x3_stride2", {1, 9, 8, 16}, {.kernel = 3, .stride = 2, .padding = 1}, 24, 255, Addend::none,
           Activation::hard_swish, {0.11F, 9}),
      conv("3x3_dilated", {1, 9, 9, 8}, {.kernel = 3, .padding = 2, .dilation = 2}, 16, 11, Addend::floats,
           Activation::relu6, {0.024F, 0}),
      conv("1x3", {1, 5, 6, 8}, {.kernel = {1, 3}, .padding = {0, 1}}, 8, 0, Addend::bytes),
      conv("7x7_stem", {1, 17, 18, 3}, {.kernel = 7, .stride = 2, .padding = 3}, 16, 128, Addend::none,
           Activation::leaky_relu),
      conv("3x3_beyond_the_map", {1, 2, 3, 5}, {.kernel = 3, .padding = 4}, 7, 77),
      conv("5x5_stride2_same", {1, 10, 9, 3}, {.kernel = 5, .stride = 2, .padding = {1, 2}, .extra_padding = {1, 0}},
           20, 200),
      conv("grouped_silu", {2, 5, 5, 12}, {.kernel = 3, .padding = 1, .groups = 3}, 18, 128, Addend::floats,
           Activation::silu),
      conv("channel_multiplier", {1, 6, 5, 5}, {.kernel = 3, .padding = 1, .groups = 5}, 10, 255),
      conv("depthwise_3x3", {2, 6, 7, 21}, {.kernel = 3, .padding = 1, .groups = 21}, 21, 128, Addend::none,
           Activation::relu6, {0.024F, 0}),
      conv("depthwise_3x3_residual", {1, 9, 5, 72}, {.kernel = 3, .padding = 1, .groups = 72}, 72, 0, Addend::bytes,
           Activation::hard_swish, {0.07F, 20}),
      conv("depthwise_5x5_stride2", {1, 10, 13, 19},
           {.kernel = 5, .stride = 2, .padding = {1, 2}, .extra_padding = {1, 0}, .groups = 19}, 19, 255,
           Addend::floats),
      conv("depthwise_dilated", {2, 8, 9, 35}, {.kernel = {2, 3}, .padding = 2, .dilation = 2, .groups = 35}, 35, 3),
  };
}

}  // namespace convoy
