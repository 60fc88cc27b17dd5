#include "ops/softmax/softmax.h"

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "kernels/softmax.h"
#include "ops/append.h"

namespace convoy {

std::vector<TensorType> SoftmaxOp::infer(std::span<const TensorType> inputs) const {
  if (inputs[0].shape.rank() == 0) throw Error("softmax: expected a tensor {..., C}, got a scalar");
  return {inputs[0]};
}

void SoftmaxOp::gradient(GradientScope& scope) const {
  scope.set_grad_input(0, scope.add(std::make_shared<SoftmaxGradOp>(), {scope.output(0), scope.grad_output(0)})[0]);
}

void SoftmaxOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
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

std::span<const Kernel> SoftmaxOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         const Shape& shape = spec.inputs[0].shape;
         kernels::softmax_kernels().forward(shape.elements() / shape[-1], shape[-1], memory.input(0), memory.output(0));
       }},
  };
  return kTable;
}

std::span<const Kernel> SoftmaxGradOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         const Shape& shape = spec.inputs[0].shape;
         kernels::softmax_kernels().backward(shape.elements() / shape[-1], shape[-1], memory.input(0), memory.input(1),
                                             memory.output(0));
       }},
  };
  return kTable;
}

Value softmax(Value x) { return append(std::make_shared<SoftmaxOp>(), {x}); }

}  // namespace convoy
