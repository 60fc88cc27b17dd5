#include "ops/group_norm/group_norm.h"

#include <fmt/format.h>

#include <cmath>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "graph/graph.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

// The shape of the statistics, {N, groups}, where `op` can normalise input x.
Shape statistics_shape(const Op& op, const GroupNormAttributes& attributes, std::span<const TensorType> inputs, int x) {
  expect_rank(op, inputs, x, 2, Shape::kMaxRank);
  const Shape& shape = inputs[static_cast<size_t>(x)].shape;
  if (attributes.groups <= 0 || shape[-1] % attributes.groups != 0) {
    throw Error(fmt::format("{}: {} channels do not divide into {} groups", op.name(), shape[-1], attributes.groups));
  }
  if (!std::isfinite(attributes.eps) || attributes.eps < 0) {
    throw Error(fmt::format("{}: expected an eps of at least 0, got {}", op.name(), attributes.eps));
  }
  return {shape[0], attributes.groups};
}

// Where the elements of a tensor {N, ..., C} belong.
struct Groups {
  Groups(const Shape& x, int64_t count)
      : groups(count), channels(x[-1]), per_channel(channels / groups), per_sample(x.elements() / x[0]) {}

  int64_t channel(int64_t element) const { return element % channels; }
  int64_t group(int64_t element) const { return element / per_sample * groups + channel(element) / per_channel; }
  double size() const { return static_cast<double>(per_sample / groups); }

  int64_t groups, channels, per_channel, per_sample;
};

}  // namespace

std::vector<TensorType> GroupNormOp::infer(std::span<const TensorType> inputs) const {
  const Shape statistics = statistics_shape(*this, attributes_, inputs, kX);
  const Shape& x = inputs[kX].shape;
  expect_shape(*this, inputs, kWeight, {x[-1]});
  expect_shape(*this, inputs, kBias, {x[-1]});
  return {{x}, {statistics}, {statistics}};
}

std::vector<TensorType> GroupNormGradOp::infer(std::span<const TensorType> inputs) const {
  const Shape statistics = statistics_shape(*this, attributes_, inputs, kX);
  const Shape& x = inputs[kX].shape;
  expect_shape(*this, inputs, kGradOutput, x);
  expect_shape(*this, inputs, kMean, statistics);
  expect_shape(*this, inputs, kInvStd, statistics);
  expect_shape(*this, inputs, kWeight, {x[-1]});
  expect_shape(*this, inputs, kAddend, x);
  return {{x}, {Shape{x[-1]}}, {Shape{x[-1]}}};
}

void GroupNormOp::gradient(GradientScope& scope) const {
  const std::vector<ValueId> grads = scope.add(std::make_shared<GroupNormGradOp>(attributes_),
                                               {scope.grad_output(kY), scope.input(kX), scope.output(kMean),
                                                scope.output(kInvStd), scope.input(kWeight), kNoValue});
  scope.set_grad_input(kX, grads[GroupNormGradOp::kGradX]);
  scope.set_grad_input(kWeight, grads[GroupNormGradOp::kGradWeight]);
  scope.set_grad_input(kBias, grads[GroupNormGradOp::kGradBias]);
}

void GroupNormOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                            const StepScalars&) const {
  const Groups groups(inputs[kX].type.shape, attributes_.groups);
  const int64_t count = inputs[kX].type.shape.elements();
  const double *x = inputs[kX].begin(), *weight = inputs[kWeight].begin(), *bias = inputs[kBias].begin();
  double *mean = outputs[kMean].begin(), *inv_std = outputs[kInvStd].begin();
  std::vector<double> variance(outputs[kInvStd].data.size());
  for (int64_t i = 0; i < count; ++i) mean[groups.group(i)] += x[i] / groups.size();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t group = groups.group(i);
    variance[static_cast<size_t>(group)] += std::pow(x[i] - mean[group], 2) / groups.size();
  }
  for (size_t group = 0; group < variance.size(); ++group) {
    inv_std[group] = 1 / std::sqrt(variance[group] + double{attributes_.eps});
  }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t group = groups.group(i), c = groups.channel(i);
    outputs[kY].begin()[i] = (x[i] - mean[group]) * inv_std[group] * weight[c] + bias[c];
  }
}

// With xhat = (x - mean) * inv_std and w = grad_output * weight, over the values of a group:
//     grad_x = inv_std * (w - mean(w) - xhat * mean(w * xhat)) + addend
void GroupNormGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                const StepScalars&) const {
  const Groups groups(inputs[kX].type.shape, attributes_.groups);
  const int64_t count = inputs[kX].type.shape.elements();
  const double *grad_output = inputs[kGradOutput].begin(), *weight = inputs[kWeight].begin();
  const double* inv_std = inputs[kInvStd].begin();
  const auto xhat = [&](int64_t i) {
    const int64_t group = groups.group(i);
    return (inputs[kX].begin()[i] - inputs[kMean].begin()[group]) * inv_std[group];
  };
  std::vector<double> mean(inputs[kMean].data.size()), product_mean(mean.size());
  for (int64_t i = 0; i < count; ++i) {
    const int64_t c = groups.channel(i);
    const double w = grad_output[i] * weight[c];
    mean[static_cast<size_t>(groups.group(i))] += w / groups.size();
    product_mean[static_cast<size_t>(groups.group(i))] += w * xhat(i) / groups.size();
    outputs[kGradWeight].begin()[c] += grad_output[i] * xhat(i);
    outputs[kGradBias].begin()[c] += grad_output[i];
  }
  for (int64_t i = 0; i < count; ++i) {
    const size_t group = static_cast<size_t>(groups.group(i));
    const double w = grad_output[i] * weight[groups.channel(i)];
    outputs[kGradX].begin()[i] = inv_std[group] * (w - mean[group] - xhat(i) * product_mean[group]);
    if (inputs[kAddend].type.present) outputs[kGradX].begin()[i] += inputs[kAddend].begin()[i];
  }
}

std::vector<OpType> group_norm_ops() { return {op_type<GroupNormOp>(), op_type<GroupNormGradOp>()}; }

Value group_norm(Builder b, Value x, int64_t groups, float eps) {
  if (x.shape().rank() < 2) {
    throw Error(
        fmt::format("group_norm '{}': expected a tensor {{N, ..., C}}, got {}", b.name(""), x.shape().to_string()));
  }
  const Value weight = b.parameter("weight", {x.channels()}, Initializer::constant(1));
  const Value bias = b.parameter("bias", {x.channels()}, Initializer::constant(0), FileLayout::same, Role::norm_bias);
  auto op = std::make_shared<GroupNormOp>(GroupNormAttributes{.groups = groups, .eps = eps});
  return {&b.graph(), b.graph().add_node(std::move(op), {x.id(), weight.id(), bias.id()})[0]};
}

}  // namespace convoy
