#include "ops/batch_norm/batch_norm.h"

#include <fmt/format.h>

#include <cmath>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "core/activation.h"
#include "graph/graph.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

void expect_sound(const Op& op, const BatchNormAttributes& attributes) {
  constexpr int64_t kMostPixels = int64_t{1} << 40;  // as a shape may have
  const bool sound = attributes.eps >= 0 && std::isfinite(attributes.eps) && attributes.momentum >= 0 &&
                     attributes.momentum <= 1 && attributes.statistics_pixels >= 0 &&
                     attributes.statistics_pixels <= kMostPixels;
  if (sound) return;
  throw Error(
      fmt::format("{}: expected a finite eps of at least 0, a momentum of 0 to 1 and at most 2^40 pixels in a "
                  "tile, got {}",
                  op.name(), to_string(op.attributes())));
}

}  // namespace

std::vector<TensorType> BatchNormOp::infer(std::span<const TensorType> inputs) const {
  expect_sound(*this, attributes_);
  expect_rank(*this, inputs, kX, 2, Shape::kMaxRank);
  const Shape& x = inputs[kX].shape;
  const Shape channels{x[-1]};
  for (const Input i : {kWeight, kBias, kRunningMean, kRunningVar}) expect_shape(*this, inputs, i, channels);
  expect_shape(*this, inputs, kResidual, x);
  if (inputs[kStatistics].present) {
    const int64_t tile = attributes_.statistics_pixels, pixels = x.elements() / x[-1];
    if (tile == 0) throw Error("batch_norm: expected statistics_pixels of the statistics' tiles, got none");
    expect_shape(*this, inputs, kStatistics, {(pixels + tile - 1) / tile, 2, x[-1]});
  }
  return {{x}, {channels}, {channels}};
}

std::shared_ptr<const Op> BatchNormOp::with_activation(Activation function) const {
  if (attributes_.activation != Activation::none) return nullptr;
  BatchNormAttributes attributes = attributes_;
  attributes.activation = function;
  return std::make_shared<BatchNormOp>(attributes, world_);
}

void BatchNormOp::gradient(GradientScope& scope) const {
  const Shape& x = scope.shape(scope.input(kX));
  if (attributes_.training && world_ == nullptr && x.elements() == x[-1]) {
    throw Error(
        fmt::format("batch_norm: training needs more than one value in a channel, got {}; use a larger batch or "
                    "larger images",
                    x.to_string()));
  }
  const ValueId grad = scope.grad_output(kY), residual = scope.input(kResidual);
  const bool activated = attributes_.activation != Activation::none;
  ValueId saved = kNoValue;
  if (residual != kNoValue && activated) {
    saved = derivative_from_output(attributes_.activation) ? scope.output(kY) : residual;
  }
  const std::vector<ValueId> grads = scope.add(std::make_shared<BatchNormGradOp>(attributes_, world_),
                                               {grad, scope.input(kX), scope.output(kMean), scope.output(kInvStd),
                                                scope.input(kWeight), scope.input(kBias), saved, kNoValue});
  scope.set_grad_input(kX, grads[BatchNormGradOp::kGradX]);
  scope.set_grad_input(kWeight, grads[BatchNormGradOp::kGradWeight]);
  scope.set_grad_input(kBias, grads[BatchNormGradOp::kGradBias]);
  if (residual != kNoValue) {
    scope.set_grad_input(kResidual, activated ? grads[BatchNormGradOp::kGradResidual] : grad);
  }
}

std::vector<TensorType> BatchNormApplyOp::infer(std::span<const TensorType> inputs) const {
  expect_rank(*this, inputs, kX, 2, Shape::kMaxRank);
  const Shape& x = inputs[kX].shape;
  for (const Input i : {kWeight, kBias, kMean, kInvStd}) expect_shape(*this, inputs, i, {x[-1]});
  expect_shape(*this, inputs, kResidual, x);
  return {{x}};
}

std::vector<TensorType> BatchNormGradOp::infer(std::span<const TensorType> inputs) const {
  expect_sound(*this, attributes_);
  expect_rank(*this, inputs, kX, 2, Shape::kMaxRank);
  const Shape& x = inputs[kX].shape;
  const Shape channels{x[-1]};
  for (const Input i : {kGradOutput, kSaved, kAddend}) expect_shape(*this, inputs, i, x);
  for (const Input i : {kMean, kInvStd, kWeight, kBias}) expect_shape(*this, inputs, i, channels);
  if (inputs[kSaved].present && attributes_.activation == Activation::none) {
    throw Error("batch_norm_grad: expected an activation where its saved is given, got none");
  }
  std::vector<TensorType> outputs{{x}, {channels}, {channels}};
  if (inputs[kSaved].present) outputs.push_back({x});
  return outputs;
}

std::vector<OpType> batch_norm_ops() {
  return {op_type<BatchNormOp>(), op_type<BatchNormApplyOp>(), op_type<BatchNormGradOp>()};
}

Value batch_norm(Builder b, Value x, const BatchNorm& options) {
  if (x.shape().rank() < 2) {
    throw Error(
        fmt::format("batch_norm '{}': expected a tensor {{N, ..., C}}, got {}", b.name(""), x.shape().to_string()));
  }
  const Shape channels{x.channels()};
  const Initializer weight_start = Initializer::constant(options.weight_start);
  const Value weight = options.weight_trained ? b.parameter("weight", channels, weight_start)
                                              : b.state("weight", channels, weight_start);
  const Value bias = b.parameter("bias", channels, Initializer::constant(0), FileLayout::same, Role::norm_bias);
  const Value mean = b.state("running_mean", channels, Initializer::constant(0));
  const Value var = b.state("running_var", channels, Initializer::constant(1));
  auto op = std::make_shared<BatchNormOp>(
      BatchNormAttributes{.eps = options.eps, .momentum = options.momentum, .training = b.mode() == Mode::training});
  return {&b.graph(), b.graph().add_node(std::move(op), {x.id(), weight.id(), bias.id(), mean.id(), var.id(), kNoValue,
                                                         kNoValue})[BatchNormOp::kY]};
}

}  // namespace convoy
