#include "ops/softmax/softmax.h"

#include <algorithm>
#include <cmath>

#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {

std::vector<TensorType> SoftmaxOp::infer(std::span<const TensorType> inputs) const {
  expect_rank(*this, inputs, 0, 1, Shape::kMaxRank);
  return {{inputs[0].shape}};
}

std::vector<TensorType> SoftmaxGradOp::infer(std::span<const TensorType> inputs) const {
  expect_rank(*this, inputs, 0, 1, Shape::kMaxRank);
  expect_shape(*this, inputs, 1, inputs[0].shape);
  return {{inputs[0].shape}};
}

void SoftmaxOp::gradient(GradientScope& scope) const {
  scope.set_grad_input(0, scope.add(std::make_shared<SoftmaxGradOp>(), {scope.output(0), scope.grad_output(0)})[0]);
}

void SoftmaxOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                          const StepScalars&) const {
  const int64_t classes = inputs[0].type.shape[-1];
  for (int64_t row = 0; row < inputs[0].type.shape.elements(); row += classes) {
    const double* x = inputs[0].begin() + row;
    double* y = outputs[0].begin() + row;
    const double shift = *std::max_element(x, x + classes);
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += y[c] = std::exp(x[c] - shift);
    for (int64_t c = 0; c < classes; ++c) y[c] /= sum;
  }
}

void SoftmaxGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                              const StepScalars&) const {
  const int64_t classes = inputs[0].type.shape[-1];
  for (int64_t row = 0; row < inputs[0].type.shape.elements(); row += classes) {
    const double *y = inputs[0].begin() + row, *grad_output = inputs[1].begin() + row;
    double product = 0;
    for (int64_t c = 0; c < classes; ++c) product += y[c] * grad_output[c];
    for (int64_t c = 0; c < classes; ++c) outputs[0].begin()[row + c] = y[c] * (grad_output[c] - product);
  }
}

std::vector<OpType> softmax_ops() { return {op_type<SoftmaxOp>(), op_type<SoftmaxGradOp>()}; }

Value softmax(Value x) { return append(std::make_shared<SoftmaxOp>(), {x}); }

}  // namespace convoy
