#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/conv2d/conv2d.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> conv2d_cases() {
  const auto conv = [](std::string name, Shape input, Conv2d options) {
    return OpCase{"conv2d/" + name, {{input}}, [options](Builder b, const std::vector<Value>& in) {
                    return std::vector<Value>{conv2d(b / "conv", in[0], options)};
                  }};
  };
  // With an addend, and with what passes fuse into graphs that infer.
  const auto activated = [](const std::string& name, const Shape& input, const ConvAttributes& conv,
                            int64_t out_channels, Activation function) {
    const kernels::ConvGeometry g = conv.geometry(input, out_channels);
    const Shape weight{g.kernel_h, g.kernel_w, g.in_c / g.groups, g.out_c}, output{g.batch, g.out_h, g.out_w, g.out_c};
    return OpCase{
        "conv2d/" + name,
        {{input, -1, 1, false}, {weight, -1, 1, false}, {{out_channels}, -1, 1, false}, {output, -1, 1, false}},
        [=](Builder, const std::vector<Value>& in) {
          return std::vector<Value>{append(std::make_shared<Conv2dOp>(conv, false, function), in)};
        },
        Mode::inference};
  };
  const auto fully_connected = [](std::string name, Shape input) {
    return OpCase{"linear/" + name, {{input}}, [](Builder b, const std::vector<Value>& in) {
                    return std::vector<Value>{linear(b / "fc", in[0], {.out_features = 10})};
                  }};
  };
  return {
      fully_connected("vectors", {5, 23}),
      fully_connected("rows", {2, 7, 23}),
      fully_connected("maps", {2, 3, 5, 23}),
      activated("1x1_gelu", {2, 5, 7, 12}, {}, 20, Activation::gelu),
      activated("1x1_leaky_relu", {2, 5, 7, 12}, {}, 37, Activation::leaky_relu),
      activated("1x1_hard_sigmoid_of_two_blocks", {1, 5, 7, 520}, {}, 20, Activation::hard_sigmoid),
      activated("3x3_relu6", {1, 9, 8, 16}, {.kernel = 3, .stride = 2}, 24, Activation::relu6),
      activated("3x3_winograd_relu", {8, 19, 18, 33}, {.kernel = 3, .padding = 1}, 40, Activation::relu),
      activated("grouped_silu", {2, 5, 5, 12}, {.kernel = 3, .padding = 1, .groups = 3}, 18, Activation::silu),
      activated("depthwise_3x3_hard_swish", {2, 6, 7, 21}, {.kernel = 3, .padding = 1, .groups = 21}, 21,
                Activation::hard_swish),
      conv("1x1", {2, 5, 7, 12}, {.out_channels = 20}),
      conv("1x1_stride2", {2, 6, 7, 16}, {.out_channels = 9, .stride = 2, .bias = false}),
      conv("3x3", {2, 7, 6, 17}, {.out_channels = 33, .kernel = 3, .padding = 1}),
      conv("3x3_winograd", {8, 19, 18, 33}, {.out_channels = 40, .kernel = 3, .padding = 1}),
      conv("3x3_stride2", {1, 9, 8, 16}, {.out_channels = 24, .kernel = 3, .stride = 2, .padding = 1, .bias = false}),
      conv("3x3_dilated", {1, 9, 9, 8}, {.out_channels = 16, .kernel = 3, .padding = 2, .dilation = 2}),
      conv("1x3", {1, 5, 6, 8}, {.out_channels = 8, .kernel = {1, 3}, .padding = {0, 1}}),
      conv("7x7_stem", {1, 17, 18, 3}, {.out_channels = 16, .kernel = 7, .stride = 2, .padding = 3, .bias = false}),
      conv("3x3_stride2_same", {2, 8, 9, 17},
           {.out_channels = 24, .kernel = 3, .stride = 2, .padding = {0, 1}, .extra_padding = {1, 0}}),
      conv("5x5_stride2_same", {1, 10, 9, 3},
           {.out_channels = 20, .kernel = 5, .stride = 2, .padding = {1, 2}, .extra_padding = {1, 0}, .bias = false}),
      conv("3x3_extra", {8, 19, 18, 33}, {.out_channels = 40, .kernel = 3, .extra_padding = 2}),
      conv("grouped_same", {2, 6, 7, 12},
           {.out_channels = 18, .kernel = 3, .stride = 2, .padding = {0, 1}, .extra_padding = {1, 0}, .groups = 3}),
      conv("2x2_stride2", {2, 6, 6, 10}, {.out_channels = 20, .kernel = 2, .stride = 2}),
      conv("grouped", {2, 5, 5, 12}, {.out_channels = 18, .kernel = 3, .padding = 1, .groups = 3}),
      conv("depthwise_3x3", {2, 6, 7, 21}, {.out_channels = 21, .kernel = 3, .padding = 1, .groups = 21}),
      conv("depthwise_5x5_stride2", {1, 9, 8, 19},
           {.out_channels = 19, .kernel = 5, .stride = 2, .padding = 2, .groups = 19}),
      conv("depthwise_3x3_stride2_same", {2, 8, 8, 35},
           {.out_channels = 35, .kernel = 3, .stride = 2, .extra_padding = 1, .groups = 35}),
      conv("depthwise_5x5_stride2_same", {1, 10, 13, 19},
           {.out_channels = 19, .kernel = 5, .stride = 2, .padding = {1, 2}, .extra_padding = {1, 0}, .groups = 19}),
      conv("depthwise_3x3_extra", {2, 6, 7, 21}, {.out_channels = 21, .kernel = 3, .extra_padding = 2, .groups = 21}),
      conv("depthwise_11x11", {2, 4, 9, 18}, {.out_channels = 18, .kernel = 11, .padding = 5, .groups = 18}),
  };
}

}  // namespace convoy
