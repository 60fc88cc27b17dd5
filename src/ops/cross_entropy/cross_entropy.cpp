#include "ops/cross_entropy/cross_entropy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

void check(const Op& op, std::span<const TensorType> inputs, float smoothing) {
  expect_rank(op, inputs, 0, 2, 2);
  expect_shape(op, inputs, 1, inputs[0].shape);
  if (!(smoothing >= 0 && smoothing <= 1)) {
    throw Error(fmt::format("{}: expected a smoothing in [0, 1], got {}", op.name(), smoothing));
  }
}

double smoothed(double target, float smoothing, int64_t classes) {
  return (1 - double{smoothing}) * target + double{smoothing} / static_cast<double>(classes);
}

double log_sum_exp(const double* x, int64_t count) {
  const double shift = *std::max_element(x, x + count);
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += std::exp(x[i] - shift);
  return shift + std::log(sum);
}

}  // namespace

std::vector<TensorType> CrossEntropyOp::infer(std::span<const TensorType> inputs) const {
  check(*this, inputs, smoothing_);
  return {{Shape{}}, {Shape{inputs[0].shape[0]}}};
}

std::vector<TensorType> CrossEntropyGradOp::infer(std::span<const TensorType> inputs) const {
  check(*this, inputs, smoothing_);
  expect_shape(*this, inputs, 2, Shape{});
  return {{inputs[0].shape}};
}

void CrossEntropyOp::gradient(GradientScope& scope) const {
  if (scope.grad_output(1) != kNoValue || scope.wants(1)) {
    throw Error("cross_entropy: only the mean loss can be differentiated, and only by the logits");
  }
  scope.set_grad_input(0, scope.add(std::make_shared<CrossEntropyGradOp>(smoothing_),
                                    {scope.input(0), scope.input(1), scope.grad_output(0)})[0]);
}

void CrossEntropyOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                               const StepScalars&) const {
  const int64_t samples = inputs[0].type.shape[0], classes = inputs[0].type.shape[1];
  for (int64_t n = 0; n < samples; ++n) {
    const double *x = inputs[0].begin() + n * classes, *target = inputs[1].begin() + n * classes;
    const double log_sum = log_sum_exp(x, classes);
    double loss = 0;
    for (int64_t c = 0; c < classes; ++c) loss += smoothed(target[c], smoothing_, classes) * (log_sum - x[c]);
    outputs[1].begin()[n] = loss;
    outputs[0].begin()[0] += loss / static_cast<double>(samples);
  }
}

// Of a sample, with t the smoothed targets: grad_logits = grad_mean / N * (softmax(logits) * sum(t) - t).
void CrossEntropyGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                   const StepScalars&) const {
  const int64_t samples = inputs[0].type.shape[0], classes = inputs[0].type.shape[1];
  const double scale = inputs[2].data[0] / static_cast<double>(samples);
  for (int64_t n = 0; n < samples; ++n) {
    const double *x = inputs[0].begin() + n * classes, *target = inputs[1].begin() + n * classes;
    const double log_sum = log_sum_exp(x, classes);
    double target_sum = 0;
    for (int64_t c = 0; c < classes; ++c) target_sum += smoothed(target[c], smoothing_, classes);
    for (int64_t c = 0; c < classes; ++c) {
      outputs[0].begin()[n * classes + c] =
          scale * (std::exp(x[c] - log_sum) * target_sum - smoothed(target[c], smoothing_, classes));
    }
  }
}

std::vector<OpType> cross_entropy_ops() { return {op_type<CrossEntropyOp>(), op_type<CrossEntropyGradOp>()}; }

Value cross_entropy(Value logits, Value targets, float smoothing) {
  return append(std::make_shared<CrossEntropyOp>(smoothing), {logits, targets});
}

}  // namespace convoy
