// The kernels of activation functions.
#include "kernels/elementwise.h"
#include "ops/activation/activation.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

constexpr Kernel kForward[] = {{.name = "simd", .run = [](const NodeSpec& spec, const NodeMemory& memory) {
                                  kernels::elementwise_kernels().activation(spec.as<ActivationOp>().function(),
                                                                            spec.inputs[0].shape.elements(),
                                                                            memory.input(0), memory.output(0));
                                }}};

constexpr Kernel kGrad[] = {{.name = "simd", .run = [](const NodeSpec& spec, const NodeMemory& memory) {
                               kernels::elementwise_kernels().activation_backward(
                                   spec.as<ActivationGradOp>().function(), spec.inputs[0].shape.elements(),
                                   memory.input(0), memory.input(1), memory.input(2), memory.output(0));
                             }}};

}  // namespace

std::vector<KernelTable> activation_kernels() {
  return {{ActivationOp::kName, kForward}, {ActivationGradOp::kName, kGrad}};
}

}  // namespace convoy
