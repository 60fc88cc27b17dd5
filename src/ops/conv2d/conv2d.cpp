#include "ops/conv2d/conv2d.h"

#include <fmt/format.h>

#include <cmath>

#include "convoy/error.h"
#include "graph/autodiff.h"
#include "graph/graph.h"
#include "kernels/conv.h"
#include "kernels/depthwise.h"

namespace convoy {
namespace {

// 0 where the window is larger than the padded input.
int64_t output_extent(int64_t padded, int64_t kernel, int64_t stride, int64_t dilation) {
  const int64_t window = dilation * (kernel - 1) + 1;
  return padded < window ? 0 : (padded - window) / stride + 1;
}

Initializer uniform_by_fan_in(Initializer chosen, int64_t fan_in) {
  return chosen.chosen ? chosen : Initializer::uniform(1.0F / std::sqrt(static_cast<float>(fan_in)));
}

// Multiply-accumulates of a convolution, padding counted: as many in each of the three directions.
int64_t products(const Shape& output, const Shape& weight) {
  return output.elements() * weight[0] * weight[1] * weight[2];
}

Shape output_shape(const Shape& input, const kernels::ConvGeometry& g) {
  if (input.rank() == 4) return {g.batch, g.out_h, g.out_w, g.out_c};
  std::vector<int64_t> extents(input.extents().begin(), input.extents().end());
  extents.back() = g.out_c;
  return Shape(extents);
}

}  // namespace

std::string ConvAttributes::to_string() const {
  std::string text = fmt::format("kernel={}x{}", kernel.h, kernel.w);
  const auto add = [&text](const char* key, Size2 size, Size2 usual) {
    if (!(size == usual)) text += fmt::format(" {}={}x{}", key, size.h, size.w);
  };
  add("stride", stride, 1);
  add("padding", padding, 0);
  add("extra_padding", extra_padding, 0);
  add("dilation", dilation, 1);
  if (groups != 1) text += fmt::format(" groups={}", groups);
  return text;
}

kernels::ConvGeometry ConvAttributes::geometry(const Shape& input, int64_t out_channels) const {
  if (input.rank() != 4) {
    const int64_t rows = input.elements() / input[-1];
    return {.batch = rows, .in_c = input[-1], .out_c = out_channels};
  }
  const int64_t out_h = output_extent(input[1] + 2 * padding.h + extra_padding.h, kernel.h, stride.h, dilation.h);
  const int64_t out_w = output_extent(input[2] + 2 * padding.w + extra_padding.w, kernel.w, stride.w, dilation.w);
  if (out_h == 0 || out_w == 0) {
    throw Error(
        fmt::format("conv2d: a {}x{} map is too small for {}; use a larger image", input[1], input[2], to_string()));
  }
  if (input[3] % groups != 0 || out_channels % groups != 0) {
    throw Error(fmt::format("conv2d: {} input and {} output channels do not divide into {} groups", input[3],
                            out_channels, groups));
  }
  return {input[0], input[1], input[2], input[3],  out_h,     out_w,      out_channels, kernel.h,
          kernel.w, stride.h, stride.w, padding.h, padding.w, dilation.h, dilation.w,   groups};
}

std::string Conv2dOp::attributes() const {
  std::string text = attributes_.to_string();
  if (statistics_) text += " statistics";
  if (activation_ != Activation::none) text += fmt::format(" activation={}", convoy::to_string(activation_));
  return text;
}

std::string LinearOp::attributes() const {
  return activation() == Activation::none ? "" : fmt::format("activation={}", to_string(activation()));
}

std::shared_ptr<const Op> Conv2dOp::with_activation(Activation function) const {
  if (statistics_ || activation_ != Activation::none) return nullptr;
  return std::make_shared<Conv2dOp>(attributes_, false, function);
}

std::shared_ptr<const Op> LinearOp::with_activation(Activation function) const {
  return activation() == Activation::none ? std::make_shared<LinearOp>(function) : nullptr;
}

std::vector<TensorType> Conv2dOp::infer(std::span<const TensorType> inputs) const {
  const Shape& weight = inputs[1].shape;
  const kernels::ConvGeometry g = attributes_.geometry(inputs[0].shape, weight[-1]);
  const Shape expected{g.kernel_h, g.kernel_w, g.in_c / g.groups, g.out_c};
  if (weight != expected) {
    throw Error(fmt::format("conv2d: expected a weight {}, got {}", expected.to_string(), weight.to_string()));
  }
  std::vector<TensorType> outputs{{output_shape(inputs[0].shape, g)}};
  if (statistics_) {
    const int64_t pixels = statistics_pixels(inputs[0].shape, g.out_c);
    outputs.push_back({Shape{(g.batch * g.out_h * g.out_w + pixels - 1) / pixels, 2, g.out_c}});
  }
  return outputs;
}

int64_t Conv2dOp::statistics_pixels(const Shape& input, int64_t out_channels) const {
  const kernels::ConvGeometry g = attributes_.geometry(input, out_channels);
  return (kernels::is_depthwise(g) ? kernels::depthwise_kernels() : kernels::conv_kernels()).statistics_pixels(g);
}

void Conv2dOp::gradient(GradientScope& scope) const {
  if (activation_ != Activation::none) return Op::gradient(scope);
  const ValueId grad = scope.grad_output(0);
  if (scope.wants(1) || scope.wants(2)) {
    const bool bias = scope.input(2) != kNoValue;
    const auto grads = scope.add(std::make_shared<Conv2dGradWeightOp>(attributes_, bias), {scope.input(0), grad});
    scope.set_grad_input(1, grads[0]);
    if (bias) scope.set_grad_input(2, grads[1]);
  }
  if (scope.wants(0)) {
    scope.set_grad_input(0, scope.add(std::make_shared<Conv2dGradInputOp>(attributes_, scope.shape(scope.input(0))),
                                      {grad, scope.input(1), kNoValue})[0]);
  }
  if (scope.input(3) != kNoValue && scope.wants(3)) scope.set_grad_input(3, grad);
}

int64_t Conv2dOp::multiply_adds(const NodeSpec& spec) const {
  return products(spec.outputs[0].shape, spec.inputs[1].shape);
}

int64_t Conv2dGradInputOp::multiply_adds(const NodeSpec& spec) const {
  return products(spec.inputs[0].shape, spec.inputs[1].shape);
}

int64_t Conv2dGradWeightOp::multiply_adds(const NodeSpec& spec) const {
  return products(spec.inputs[1].shape, spec.outputs[0].shape);
}

std::vector<TensorType> Conv2dGradInputOp::infer(std::span<const TensorType>) const { return {{input_}}; }

std::vector<TensorType> Conv2dGradWeightOp::infer(std::span<const TensorType> inputs) const {
  const int64_t out_channels = inputs[1].shape[-1];
  std::vector<TensorType> outputs{
      {Shape{attributes_.kernel.h, attributes_.kernel.w, inputs[0].shape[-1] / attributes_.groups, out_channels}}};
  if (bias_) outputs.push_back({Shape{out_channels}});
  return outputs;
}

Value conv2d(Builder b, Value x, const Conv2d& options) {
  if (x.shape().rank() != 4) {
    throw Error(
        fmt::format("conv2d '{}': expected an input {{N, H, W, C}}, got {}", b.name(""), x.shape().to_string()));
  }
  const int64_t in_channels = x.channels();
  if (options.out_channels <= 0 || options.groups <= 0 || in_channels % options.groups != 0) {
    throw Error(fmt::format("conv2d '{}': {} input channels do not divide into {} groups of {} output channels",
                            b.name(""), in_channels, options.groups, options.out_channels));
  }
  const ConvAttributes attributes{.kernel = options.kernel,
                                  .stride = options.stride,
                                  .padding = options.padding,
                                  .extra_padding = options.extra_padding,
                                  .dilation = options.dilation,
                                  .groups = options.groups};
  const bool sound = options.kernel.at_least(1) && options.stride.at_least(1) && options.padding.at_least(0) &&
                     options.extra_padding.at_least(0) && options.dilation.at_least(1);
  if (!sound) {
    throw Error(
        fmt::format("conv2d '{}': expected a kernel, stride and dilation of at least 1 and a padding of at "
                    "least 0, got {}",
                    b.name(""), attributes.to_string()));
  }
  const int64_t per_group = in_channels / options.groups;
  const int64_t fan_in = per_group * options.kernel.h * options.kernel.w;
  const Shape shape{options.kernel.h, options.kernel.w, per_group, options.out_channels};
  const Initializer weight_start = uniform_by_fan_in(options.weight_start, fan_in);
  const Value weight = options.weight_trained ? b.parameter("weight", shape, weight_start, FileLayout::conv)
                                              : b.state("weight", shape, weight_start, FileLayout::conv);
  const ValueId bias =
      options.bias ? b.parameter("bias", {options.out_channels}, uniform_by_fan_in(options.bias_start, fan_in)).id()
                   : kNoValue;
  return {&b.graph(),
          b.graph().add_node(std::make_shared<Conv2dOp>(attributes), {x.id(), weight.id(), bias, kNoValue})[0]};
}

Value linear(Builder b, Value x, const Linear& options) {
  if (x.shape().rank() < 2 || x.shape().rank() > 4 || options.out_features <= 0) {
    throw Error(
        fmt::format("linear '{}': expected {{N, C}} to {{N, H, W, C}} and at least one output feature, got {} "
                    "and {}",
                    b.name(""), x.shape().to_string(), options.out_features));
  }
  const int64_t fan_in = x.channels();
  const Value weight = b.parameter("weight", {1, 1, fan_in, options.out_features},
                                   uniform_by_fan_in(options.weight_start, fan_in), FileLayout::linear);
  const ValueId bias =
      options.bias ? b.parameter("bias", {options.out_features}, uniform_by_fan_in(options.bias_start, fan_in)).id()
                   : kNoValue;
  return {&b.graph(), b.graph().add_node(std::make_shared<LinearOp>(), {x.id(), weight.id(), bias, kNoValue})[0]};
}

}  // namespace convoy
