#include "ops/group_norm/group_norm.h"

#include <fmt/format.h>

#include <cmath>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "graph/graph.h"
#include "kernels/group_norm.h"

namespace convoy {
namespace {

kernels::GroupNormShape kernel_shape(const Shape& x, int64_t groups) {
  return {.samples = x[0], .pixels = x.elements() / (x[0] * x[-1]), .channels = x[-1], .groups = groups};
}

}  // namespace

std::string GroupNormAttributes::to_string() const { return fmt::format("groups={} eps={:g}", groups, eps); }

std::vector<TensorType> GroupNormOp::infer(std::span<const TensorType> inputs) const {
  const Shape& x = inputs[kX].shape;
  if (x.rank() < 2) throw Error(fmt::format("group_norm: expected a tensor {{N, ..., C}}, got {}", x.to_string()));
  if (attributes_.groups <= 0 || x[-1] % attributes_.groups != 0) {
    throw Error(fmt::format("group_norm: {} channels do not divide into {} groups", x[-1], attributes_.groups));
  }
  for (const Input i : {kWeight, kBias}) {
    if (inputs[i].shape != Shape{x[-1]}) {
      throw Error(fmt::format("group_norm: expected a {} {}, got {}", i == kWeight ? "weight" : "bias", x[-1],
                              inputs[i].shape.to_string()));
    }
  }
  const Shape statistics{x[0], attributes_.groups};
  return {inputs[kX], {statistics}, {statistics}};
}

void GroupNormOp::gradient(GradientScope& scope) const {
  const std::vector<ValueId> grads = scope.add(std::make_shared<GroupNormGradOp>(attributes_),
                                               {scope.grad_output(kY), scope.input(kX), scope.output(kMean),
                                                scope.output(kInvStd), scope.input(kWeight), kNoValue});
  scope.set_grad_input(kX, grads[GroupNormGradOp::kGradX]);
  scope.set_grad_input(kWeight, grads[GroupNormGradOp::kGradWeight]);
  scope.set_grad_input(kBias, grads[GroupNormGradOp::kGradBias]);
}

void GroupNormOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  const auto [samples, pixels, channels, groups] = kernel_shape(inputs[kX].type.shape, attributes_.groups);
  const int64_t group_channels = channels / groups;
  const double n = static_cast<double>(pixels * group_channels);
  for (int64_t block = 0; block < samples * groups; ++block) {
    const int64_t first = block / groups * pixels * channels + block % groups * group_channels;
    const double* x = inputs[kX].begin() + first;
    double* y = outputs[kY].begin() + first;
    double mean = 0, var = 0;
    for (int64_t i = 0; i < pixels * group_channels; ++i) {
      mean += x[i / group_channels * channels + i % group_channels] / n;
    }
    for (int64_t i = 0; i < pixels * group_channels; ++i) {
      var += std::pow(x[i / group_channels * channels + i % group_channels] - mean, 2) / n;
    }
    const double inv_std = 1 / std::sqrt(var + static_cast<double>(attributes_.eps));
    outputs[kMean].begin()[block] = mean;
    outputs[kInvStd].begin()[block] = inv_std;
    for (int64_t i = 0; i < pixels * group_channels; ++i) {
      const int64_t at = i / group_channels * channels + i % group_channels;
      const int64_t c = block % groups * group_channels + i % group_channels;
      y[at] = (x[at] - mean) * inv_std * inputs[kWeight].begin()[c] + inputs[kBias].begin()[c];
    }
  }
}

namespace {

kernels::GroupNormShape forward_shape(const NodeSpec& spec) {
  return kernel_shape(spec.inputs[GroupNormOp::kX].shape, static_cast<const GroupNormOp&>(spec.op).group_norm().groups);
}

kernels::GroupNormShape backward_shape(const NodeSpec& spec) {
  return kernel_shape(spec.inputs[GroupNormGradOp::kX].shape,
                      static_cast<const GroupNormGradOp&>(spec.op).group_norm().groups);
}

size_t workspace_bytes(const kernels::GroupNormShape& shape) {
  return static_cast<size_t>(kernels::group_norm_kernels().workspace(shape)) * sizeof(float);
}

void run_forward(const NodeSpec& spec, const NodeMemory& memory) {
  using Op = GroupNormOp;
  kernels::group_norm_kernels().forward({.shape = forward_shape(spec),
                                         .eps = static_cast<const Op&>(spec.op).group_norm().eps,
                                         .input = memory.input(Op::kX),
                                         .weight = memory.input(Op::kWeight),
                                         .bias = memory.input(Op::kBias),
                                         .output = memory.output(Op::kY),
                                         .mean = memory.output(Op::kMean),
                                         .inv_std = memory.output(Op::kInvStd),
                                         .workspace = reinterpret_cast<float*>(memory.workspace)});
}

void run_backward(const NodeSpec& spec, const NodeMemory& memory) {
  using Op = GroupNormGradOp;
  kernels::group_norm_kernels().backward({.shape = backward_shape(spec),
                                          .grad_output = memory.input(Op::kGradOutput),
                                          .input = memory.input(Op::kX),
                                          .mean = memory.input(Op::kMean),
                                          .inv_std = memory.input(Op::kInvStd),
                                          .weight = memory.input(Op::kWeight),
                                          .addend = memory.input(Op::kAddend),
                                          .grad_input = memory.output(Op::kGradX),
                                          .grad_weight = memory.output(Op::kGradWeight),
                                          .grad_bias = memory.output(Op::kGradBias),
                                          .workspace = reinterpret_cast<float*>(memory.workspace)});
}

}  // namespace

std::span<const Kernel> GroupNormOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr, [](const NodeSpec& spec) { return workspace_bytes(forward_shape(spec)); }, run_forward},
  };
  return kTable;
}

std::span<const Kernel> GroupNormGradOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr, [](const NodeSpec& spec) { return workspace_bytes(backward_shape(spec)); }, run_backward},
  };
  return kTable;
}

Value group_norm(Builder b, Value x, int64_t groups, float eps) {
  if (x.shape().rank() < 2) {
    throw Error(
        fmt::format("group_norm '{}': expected a tensor {{N, ..., C}}, got {}", b.name(""), x.shape().to_string()));
  }
  const Value weight = b.parameter("weight", {x.channels()}, Initializer::constant(1));
  const Value bias = b.parameter("bias", {x.channels()}, Initializer::constant(0));
  auto op = std::make_shared<GroupNormOp>(GroupNormAttributes{.groups = groups, .eps = eps});
  return {&b.graph(), b.graph().add_node(std::move(op), {x.id(), weight.id(), bias.id()})[0]};
}

}  // namespace convoy
