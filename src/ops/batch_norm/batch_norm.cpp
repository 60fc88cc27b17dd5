#include "ops/batch_norm/batch_norm.h"

#include <fmt/format.h>

#include <cmath>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "graph/graph.h"
#include "ops/activation/activation.h"

namespace convoy {
namespace {

void expect_shape(const char* what, const TensorType& type, const Shape& expected) {
  if (type.present && type.shape != expected) {
    throw Error(fmt::format("batch_norm: expected {} {}, got {}", what, expected.to_string(), type.shape.to_string()));
  }
}

}  // namespace

std::string BatchNormAttributes::to_string() const {
  std::string text = fmt::format("eps={:g}", eps);
  if (training) text += fmt::format(" training momentum={:g}", momentum);
  if (statistics_pixels != 0) text += fmt::format(" statistics_pixels={}", statistics_pixels);
  if (activation != Activation::none) text += fmt::format(" activation={}", convoy::to_string(activation));
  return text;
}

std::vector<TensorType> BatchNormOp::infer(std::span<const TensorType> inputs) const {
  const Shape& x = inputs[kX].shape;
  if (x.rank() < 2) throw Error(fmt::format("batch_norm: expected a tensor {{N, ..., C}}, got {}", x.to_string()));
  const int64_t channels = x[-1], pixels = x.elements() / channels;
  constexpr const char* kNames[] = {"x", "a weight", "a bias", "a running mean", "a running variance"};
  for (size_t i = kWeight; i <= kRunningVar; ++i) expect_shape(kNames[i], inputs[i], {channels});
  expect_shape("a residual", inputs[kResidual], x);
  if (inputs[kStatistics].present) {
    if (attributes_.statistics_pixels <= 0) throw Error("batch_norm: the tiles of its statistics have no size");
    const int64_t tiles = (pixels + attributes_.statistics_pixels - 1) / attributes_.statistics_pixels;
    expect_shape("statistics", inputs[kStatistics], {tiles, 2, channels});
  }
  return {inputs[kX], {Shape{channels}}, {Shape{channels}}};
}

std::shared_ptr<const Op> BatchNormOp::with_activation(Activation function) const {
  if (attributes_.activation != Activation::none) return nullptr;
  BatchNormAttributes attributes = attributes_;
  attributes.activation = function;
  return std::make_shared<BatchNormOp>(attributes);
}

void BatchNormOp::gradient(GradientScope& scope) const {
  const Shape& x = scope.shape(scope.input(kX));
  if (attributes_.training && x.elements() == x[-1]) {
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
  const std::vector<ValueId> grads = scope.add(std::make_shared<BatchNormGradOp>(attributes_),
                                               {grad, scope.input(kX), scope.output(kMean), scope.output(kInvStd),
                                                scope.input(kWeight), scope.input(kBias), saved, kNoValue});
  scope.set_grad_input(kX, grads[BatchNormGradOp::kGradX]);
  scope.set_grad_input(kWeight, grads[BatchNormGradOp::kGradWeight]);
  scope.set_grad_input(kBias, grads[BatchNormGradOp::kGradBias]);
  if (residual != kNoValue) {
    scope.set_grad_input(kResidual, activated ? grads[BatchNormGradOp::kGradResidual] : grad);
  }
}

void BatchNormOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  const auto& x = inputs[kX].data;
  const size_t channels = outputs[kMean].data.size();
  const double n = static_cast<double>(x.size() / channels);
  std::vector<double> mean = inputs[kRunningMean].data, var = inputs[kRunningVar].data;
  if (attributes_.training) {
    mean.assign(channels, 0), var.assign(channels, 0);
    for (size_t i = 0; i < x.size(); ++i) mean[i % channels] += x[i] / n;
    for (size_t i = 0; i < x.size(); ++i) var[i % channels] += std::pow(x[i] - mean[i % channels], 2) / n;
  }
  outputs[kMean].data = mean;
  for (size_t c = 0; c < channels; ++c) {
    outputs[kInvStd].data[c] = 1 / std::sqrt(var[c] + static_cast<double>(attributes_.eps));
  }
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i % channels;
    const double xhat = (x[i] - mean[c]) * outputs[kInvStd].data[c];
    const double residual = inputs[kResidual].type.present ? inputs[kResidual].data[i] : 0;
    outputs[kY].data[i] =
        activate_reference(attributes_.activation, xhat * inputs[kWeight].data[c] + inputs[kBias].data[c] + residual);
  }
}

std::vector<TensorType> BatchNormGradOp::infer(std::span<const TensorType> inputs) const {
  std::vector<TensorType> outputs{inputs[kX], inputs[kWeight], inputs[kBias]};
  if (inputs[kSaved].present) outputs.push_back(inputs[kX]);
  return outputs;
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
  const Value bias = b.parameter("bias", channels, Initializer::constant(0));
  const Value mean = b.state("running_mean", channels, Initializer::constant(0));
  const Value var = b.state("running_var", channels, Initializer::constant(1));
  auto op = std::make_shared<BatchNormOp>(
      BatchNormAttributes{.eps = options.eps, .momentum = options.momentum, .training = b.mode() == Mode::training});
  return {&b.graph(), b.graph().add_node(std::move(op), {x.id(), weight.id(), bias.id(), mean.id(), var.id(), kNoValue,
                                                         kNoValue})[BatchNormOp::kY]};
}

}  // namespace convoy
