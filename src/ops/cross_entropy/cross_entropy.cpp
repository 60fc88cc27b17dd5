#include "ops/cross_entropy/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "kernels/softmax.h"
#include "ops/append.h"

namespace convoy {

std::vector<TensorType> CrossEntropyOp::infer(std::span<const TensorType> inputs) const {
  const Shape& logits = inputs[0].shape;
  if (logits.rank() != 2 || inputs[1].shape != logits) {
    throw Error(fmt::format("cross_entropy: expected logits {{N, C}} and targets alike, got {} and {}",
                            logits.to_string(), inputs[1].shape.to_string()));
  }
  if (!(smoothing_ >= 0 && smoothing_ <= 1)) {
    throw Error(fmt::format("cross_entropy: expected a smoothing in [0, 1], got {}", smoothing_));
  }
  return {{Shape{}}, {Shape{logits[0]}}};
}

void CrossEntropyOp::gradient(GradientScope& scope) const {
  if (scope.grad_output(1) != kNoValue || scope.wants(1)) {
    throw Error("cross_entropy: only the mean loss can be differentiated, and only by the logits");
  }
  scope.set_grad_input(0, scope.add(std::make_shared<CrossEntropyGradOp>(smoothing_),
                                    {scope.input(0), scope.input(1), scope.grad_output(0)})[0]);
}

void CrossEntropyOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  const int64_t samples = inputs[0].type.shape[0], classes = inputs[0].type.shape[1];
  for (int64_t n = 0; n < samples; ++n) {
    const double *x = inputs[0].begin() + n * classes, *target = inputs[1].begin() + n * classes;
    const double shift = *std::max_element(x, x + classes);
    double sum = 0, loss = 0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(x[c] - shift);
    for (int64_t c = 0; c < classes; ++c) {
      const double weight = (1 - double{smoothing_}) * target[c] + smoothing_ / static_cast<double>(classes);
      loss += weight * (shift + std::log(sum) - x[c]);
    }
    outputs[1].begin()[n] = loss;
    outputs[0].begin()[0] += loss / static_cast<double>(samples);
  }
}

std::span<const Kernel> CrossEntropyOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         const Shape& shape = spec.inputs[0].shape;
         kernels::softmax_kernels().cross_entropy(shape[0], shape[1],
                                                  static_cast<const CrossEntropyOp&>(spec.op).smoothing(),
                                                  memory.input(0), memory.input(1), memory.output(1), memory.output(0));
       }},
  };
  return kTable;
}

std::span<const Kernel> CrossEntropyGradOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         const Shape& shape = spec.inputs[0].shape;
         kernels::softmax_kernels().cross_entropy_backward(
             shape[0], shape[1], static_cast<const CrossEntropyGradOp&>(spec.op).smoothing(), memory.input(0),
             memory.input(1), memory.input(2), memory.output(0));
       }},
  };
  return kTable;
}

Value cross_entropy(Value logits, Value targets, float smoothing) {
  return append(std::make_shared<CrossEntropyOp>(smoothing), {logits, targets});
}

}  // namespace convoy
