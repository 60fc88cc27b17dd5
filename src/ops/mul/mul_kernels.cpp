// The kernels of products, element by element.
#include "kernels/elementwise.h"
#include "ops/mul/mul.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

constexpr Kernel kForward[] = {{.name = "simd", .run = [](const NodeSpec& spec, const NodeMemory& memory) {
                                  kernels::elementwise_kernels().multiply(spec.inputs[0].shape.elements(),
                                                                          memory.input(0), memory.input(1),
                                                                          memory.output(0));
                                }}};

constexpr Kernel kGrad[] = {{.name = "simd", .run = [](const NodeSpec& spec, const NodeMemory& memory) {
                               kernels::elementwise_kernels().multiply_backward(
                                   spec.inputs[0].shape.elements(), memory.input(0), memory.input(1), memory.input(2),
                                   memory.output(0), memory.output(1));
                             }}};

}  // namespace

std::vector<KernelTable> mul_kernels() { return {{MulOp::kName, kForward}, {MulGradOp::kName, kGrad}}; }

}  // namespace convoy
