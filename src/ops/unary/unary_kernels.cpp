// The kernels of functions of one number.
#include "kernels/unary.h"
#include "ops/op_list.h"
#include "ops/unary/unary.h"

namespace convoy {
namespace {

constexpr Kernel kForward[] = {{.name = "simd", .run = [](const NodeSpec& spec, const NodeMemory& memory) {
                                  kernels::unary(spec.as<UnaryOp>().function(), spec.inputs[0].shape.elements(),
                                                 memory.input(0), memory.output(0));
                                }}};

constexpr Kernel kGrad[] = {{.name = "simd", .run = [](const NodeSpec& spec, const NodeMemory& memory) {
                               kernels::unary_kernels().backward(spec.as<UnaryGradOp>().function(),
                                                                 spec.inputs[0].shape.elements(), memory.input(0),
                                                                 memory.input(1), memory.output(0));
                             }}};

}  // namespace

std::vector<KernelTable> unary_kernels() { return {{UnaryOp::kName, kForward}, {UnaryGradOp::kName, kGrad}}; }

}  // namespace convoy
