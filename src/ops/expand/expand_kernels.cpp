// The kernels of broadcasting.
#include "kernels/expand.h"
#include "ops/expand/expand.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

constexpr Kernel kForward[] = {{
    .name = "simd",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::expand_kernels().forward(kernels::expand_axes(spec.inputs[0].shape, spec.outputs[0].shape),
                                            memory.input(0), memory.output(0));
        },
}};

kernels::ExpandAxes gradient_axes(const NodeSpec& spec) {
  return kernels::expand_axes(spec.outputs[0].shape, spec.inputs[0].shape);
}

constexpr Kernel kGrad[] = {{
    .name = "simd",
    .workspace = [](const NodeSpec& spec) { return kernels::expand_kernels().workspace(gradient_axes(spec)); },
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::expand_kernels().backward(gradient_axes(spec), memory.input(0), memory.output(0), memory.workspace);
        },
}};

}  // namespace

std::vector<KernelTable> expand_kernels() { return {{ExpandOp::kName, kForward}, {ExpandGradOp::kName, kGrad}}; }

}  // namespace convoy
