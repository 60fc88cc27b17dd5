#include "ops/conv2d/conv2d.h"

#include <fmt/format.h>

#include <cmath>

#include "convoy/error.h"
#include "core/saturate.h"
#include "graph/graph.h"
#include "ops/expect.h"
#include "ops/op_list.h"

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

}  // namespace

int64_t products(const Shape& output, const Shape& weight) {
  return saturating_product(output.elements(), weight.elements() / weight[3]);
}

Shape output_shape(const Shape& input, const kernels::ConvGeometry& g) {
  if (input.rank() == 4) return {g.batch, g.out_h, g.out_w, g.out_c};
  std::vector<int64_t> extents(input.extents().begin(), input.extents().end());
  extents.back() = g.out_c;
  return Shape(extents);
}

std::string ConvAttributes::to_string() const {
  AttributeWriter writer;
  describe(*this, writer);
  return convoy::to_string(writer.take());
}

bool ConvAttributes::sound() const {
  constexpr int64_t kMost = 1 << 20;
  const auto within = [](Size2 size, int64_t least) {
    return size.at_least(least) && size.h <= kMost && size.w <= kMost;
  };
  return within(kernel, 1) && within(stride, 1) && within(padding, 0) && within(extra_padding, 0) &&
         within(dilation, 1) && groups >= 1;
}

kernels::ConvGeometry ConvAttributes::geometry(const Shape& input, int64_t out_channels) const {
  if (!sound()) throw Error(fmt::format("conv2d: a convolution cannot have {}", to_string()));
  if (input.rank() == 0) throw Error("conv2d: expected rows of vectors, got a scalar");
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
  return {.batch = input[0],
          .in_h = input[1],
          .in_w = input[2],
          .in_c = input[3],
          .out_h = out_h,
          .out_w = out_w,
          .out_c = out_channels,
          .kernel_h = kernel.h,
          .kernel_w = kernel.w,
          .stride_h = stride.h,
          .stride_w = stride.w,
          .pad_h = padding.h,
          .pad_w = padding.w,
          .dilation_h = dilation.h,
          .dilation_w = dilation.w,
          .groups = groups};
}

kernels::ConvGeometry ConvAttributes::geometry(const NodeSpec& spec) const {
  kernels::ConvGeometry g = geometry(spec.inputs[0].shape, spec.outputs[0].shape[-1]);
  if (spec.rows_above) {
    g.pad_h = *spec.rows_above;
    g.out_h = spec.outputs[0].shape[1];
  }
  return g;
}

std::optional<RowWindow> Conv2dOp::row_window(int input) const {
  if (input == 0) return attributes_.row_window();
  return input == 3 ? std::optional(RowWindow()) : std::nullopt;
}

std::shared_ptr<const Op> Conv2dOp::with_activation(Activation function) const {
  if (statistics_ || activation_ != Activation::none) return nullptr;
  return std::make_shared<Conv2dOp>(attributes_, false, function);
}

std::shared_ptr<const Op> LinearOp::with_activation(Activation function) const {
  return activation() == Activation::none ? std::make_shared<LinearOp>(function) : nullptr;
}

std::vector<TensorType> Conv2dOp::infer(std::span<const TensorType> inputs) const {
  expect_rank(*this, inputs, 1, 4, 4);
  const kernels::ConvGeometry g = attributes_.geometry(inputs[0].shape, inputs[1].shape[-1]);
  expect_shape(*this, inputs, 1, {g.kernel_h, g.kernel_w, g.in_c / g.groups, g.out_c});
  expect_shape(*this, inputs, 2, {g.out_c});
  expect_shape(*this, inputs, 3, output_shape(inputs[0].shape, g));
  std::vector<TensorType> outputs{{output_shape(inputs[0].shape, g)}};
  if (statistics_) {
    const int64_t pixels = statistics_pixels(inputs[0].shape, g.out_c);
    outputs.push_back({Shape{(g.batch * g.out_h * g.out_w + pixels - 1) / pixels, 2, g.out_c}});
  }
  return outputs;
}

int64_t Conv2dOp::statistics_pixels(const Shape& input, int64_t out_channels) const {
  return kernels::statistics_pixels(attributes_.geometry(input, out_channels));
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

int64_t Conv2dOp::multiply_adds(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const {
  return products(outputs[0].shape, inputs[1].shape);
}

int64_t Conv2dGradInputOp::multiply_adds(std::span<const TensorType> inputs, std::span<const TensorType>) const {
  return products(inputs[0].shape, inputs[1].shape);
}

int64_t Conv2dGradWeightOp::multiply_adds(std::span<const TensorType> inputs,
                                          std::span<const TensorType> outputs) const {
  return products(inputs[1].shape, outputs[0].shape);
}

std::vector<TensorType> Conv2dGradInputOp::infer(std::span<const TensorType> inputs) const {
  expect_rank(*this, inputs, 1, 4, 4);
  const kernels::ConvGeometry g = attributes_.geometry(input_, inputs[1].shape[-1]);
  expect_shape(*this, inputs, 0, output_shape(input_, g));
  expect_shape(*this, inputs, 1, {g.kernel_h, g.kernel_w, g.in_c / g.groups, g.out_c});
  expect_shape(*this, inputs, 2, input_);
  return {{input_}};
}

std::vector<TensorType> Conv2dGradWeightOp::infer(std::span<const TensorType> inputs) const {
  expect_rank(*this, inputs, 1, 1, Shape::kMaxRank);
  const kernels::ConvGeometry g = attributes_.geometry(inputs[0].shape, inputs[1].shape[-1]);
  expect_shape(*this, inputs, 1, output_shape(inputs[0].shape, g));
  std::vector<TensorType> outputs{{Shape{g.kernel_h, g.kernel_w, g.in_c / g.groups, g.out_c}}};
  if (bias_) outputs.push_back({Shape{g.out_c}});
  return outputs;
}

std::vector<OpType> conv2d_ops() {
  return {op_type<Conv2dOp>(), op_type<LinearOp>(), op_type<Conv2dGradInputOp>(), op_type<Conv2dGradWeightOp>()};
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
  if (!attributes.sound()) {
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
  const Value weight =
      b.parameter("weight", {1, 1, fan_in, options.out_features}, uniform_by_fan_in(options.weight_start, fan_in),
                  FileLayout::linear, options.head ? Role::head_weight : Role::other);
  const ValueId bias = options.bias
                           ? b.parameter("bias", {options.out_features}, uniform_by_fan_in(options.bias_start, fan_in),
                                         FileLayout::same, options.head ? Role::head_bias : Role::other)
                                 .id()
                           : kNoValue;
  return {&b.graph(), b.graph().add_node(std::make_shared<LinearOp>(), {x.id(), weight.id(), bias, kNoValue})[0]};
}

}  // namespace convoy
