#include "ops/mul/mul.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "kernels/elementwise.h"
#include "ops/append.h"

namespace convoy {

std::vector<TensorType> MulOp::infer(std::span<const TensorType> inputs) const {
  if (inputs[0].shape != inputs[1].shape) {
    throw Error(fmt::format("mul: expected equal shapes, got {} and {}; use channel_scale to multiply by channel",
                            inputs[0].shape.to_string(), inputs[1].shape.to_string()));
  }
  return {inputs[0]};
}

void MulOp::gradient(GradientScope& scope) const {
  const auto grads = scope.add(std::make_shared<MulGradOp>(scope.wants(0), scope.wants(1)),
                               {scope.input(0), scope.input(1), scope.grad_output(0)});
  for (int i = 0; i < 2; ++i) scope.set_grad_input(i, grads[static_cast<size_t>(i)]);
}

void MulOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  for (size_t i = 0; i < outputs[0].data.size(); ++i) outputs[0].data[i] = inputs[0].data[i] * inputs[1].data[i];
}

std::vector<TensorType> MulGradOp::infer(std::span<const TensorType> inputs) const {
  return {wants_a_ ? inputs[0] : TensorType::absent(), wants_b_ ? inputs[1] : TensorType::absent()};
}

std::span<const Kernel> MulOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         kernels::elementwise_kernels().multiply(spec.inputs[0].shape.elements(), memory.input(0), memory.input(1),
                                                 memory.output(0));
       }},
  };
  return kTable;
}

std::span<const Kernel> MulGradOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         kernels::elementwise_kernels().multiply_backward(spec.inputs[0].shape.elements(), memory.input(0),
                                                          memory.input(1), memory.input(2), memory.output(0),
                                                          memory.output(1));
       }},
  };
  return kTable;
}

Value mul(Value a, Value b) { return append(std::make_shared<MulOp>(), {a, b}); }

}  // namespace convoy
