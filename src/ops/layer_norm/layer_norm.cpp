#include "ops/layer_norm/layer_norm.h"

#include <fmt/format.h>

#include <cmath>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "graph/graph.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {

std::vector<TensorType> LayerNormOp::infer(std::span<const TensorType> inputs) const {
  expect_rank(*this, inputs, kX, 1, Shape::kMaxRank);
  if (!std::isfinite(eps_) || eps_ < 0) {
    throw Error(fmt::format("layer_norm: expected an eps of at least 0, got {}", eps_));
  }
  const Shape& x = inputs[kX].shape;
  expect_shape(*this, inputs, kWeight, {x[-1]});
  expect_shape(*this, inputs, kBias, {x[-1]});
  const Shape rows{x.elements() / x[-1]};
  return {{x}, {rows}, {rows}};
}

std::vector<TensorType> LayerNormGradOp::infer(std::span<const TensorType> inputs) const {
  expect_rank(*this, inputs, kX, 1, Shape::kMaxRank);
  const Shape& x = inputs[kX].shape;
  const Shape rows{x.elements() / x[-1]};
  expect_shape(*this, inputs, kGradOutput, x);
  expect_shape(*this, inputs, kMean, rows);
  expect_shape(*this, inputs, kInvStd, rows);
  expect_shape(*this, inputs, kWeight, {x[-1]});
  expect_shape(*this, inputs, kAddend, x);
  return {{x}, {Shape{x[-1]}}, {Shape{x[-1]}}};
}

void LayerNormOp::gradient(GradientScope& scope) const {
  const std::vector<ValueId> grads =
      scope.add(std::make_shared<LayerNormGradOp>(), {scope.grad_output(kY), scope.input(kX), scope.output(kMean),
                                                      scope.output(kInvStd), scope.input(kWeight), kNoValue});
  scope.set_grad_input(kX, grads[LayerNormGradOp::kGradX]);
  scope.set_grad_input(kWeight, grads[LayerNormGradOp::kGradWeight]);
  scope.set_grad_input(kBias, grads[LayerNormGradOp::kGradBias]);
}

void LayerNormOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                            const StepScalars&) const {
  const int64_t channels = inputs[kX].type.shape[-1];
  const double n = static_cast<double>(channels);
  for (size_t row = 0; row < outputs[kMean].data.size(); ++row) {
    const double* x = inputs[kX].begin() + static_cast<int64_t>(row) * channels;
    double* y = outputs[kY].begin() + static_cast<int64_t>(row) * channels;
    double mean = 0, var = 0;
    for (int64_t c = 0; c < channels; ++c) mean += x[c] / n;
    for (int64_t c = 0; c < channels; ++c) var += std::pow(x[c] - mean, 2) / n;
    const double inv_std = 1 / std::sqrt(var + double{eps_});
    outputs[kMean].data[row] = mean;
    outputs[kInvStd].data[row] = inv_std;
    for (int64_t c = 0; c < channels; ++c) {
      y[c] = (x[c] - mean) * inv_std * inputs[kWeight].begin()[c] + inputs[kBias].begin()[c];
    }
  }
}

// With xhat = (x - mean) * inv_std and w = grad_output * weight, over the values of a row:
//     grad_x = inv_std * (w - mean(w) - xhat * mean(w * xhat)) + addend
void LayerNormGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                const StepScalars&) const {
  const int64_t channels = inputs[kX].type.shape[-1];
  const double n = static_cast<double>(channels);
  const double* weight = inputs[kWeight].begin();
  for (size_t row = 0; row < inputs[kMean].data.size(); ++row) {
    const int64_t first = static_cast<int64_t>(row) * channels;
    const double *x = inputs[kX].begin() + first, *grad_output = inputs[kGradOutput].begin() + first;
    const double row_mean = inputs[kMean].data[row], inv_std = inputs[kInvStd].data[row];
    const auto xhat = [&](int64_t c) { return (x[c] - row_mean) * inv_std; };
    double mean = 0, product_mean = 0;
    for (int64_t c = 0; c < channels; ++c) {
      mean += grad_output[c] * weight[c] / n;
      product_mean += grad_output[c] * weight[c] * xhat(c) / n;
      outputs[kGradWeight].begin()[c] += grad_output[c] * xhat(c);
      outputs[kGradBias].begin()[c] += grad_output[c];
    }
    double* grad_x = outputs[kGradX].begin() + first;
    for (int64_t c = 0; c < channels; ++c) {
      grad_x[c] = inv_std * (grad_output[c] * weight[c] - mean - xhat(c) * product_mean);
      if (inputs[kAddend].type.present) grad_x[c] += inputs[kAddend].begin()[first + c];
    }
  }
}

std::vector<OpType> layer_norm_ops() { return {op_type<LayerNormOp>(), op_type<LayerNormGradOp>()}; }

Value layer_norm(Builder b, Value x, float eps) {
  if (x.shape().rank() == 0) {
    throw Error(fmt::format("layer_norm '{}': expected a tensor {{..., C}}, got a scalar", b.name("")));
  }
  const Value weight = b.parameter("weight", {x.channels()}, Initializer::constant(1));
  const Value bias = b.parameter("bias", {x.channels()}, Initializer::constant(0), FileLayout::same, Role::norm_bias);
  return {&b.graph(), b.graph().add_node(std::make_shared<LayerNormOp>(eps), {x.id(), weight.id(), bias.id()})[0]};
}

}  // namespace convoy
