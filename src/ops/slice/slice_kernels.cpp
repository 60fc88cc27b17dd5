#include "kernels/rearrange.h"
#include "ops/op_list.h"
#include "ops/slice/slice.h"

namespace convoy {
namespace {

constexpr Kernel kSlice[] = {{
    .name = "copy",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          const int64_t width = spec.outputs[0].shape[-1];
          kernels::extract(spec.outputs[0].shape.elements() / width, spec.inputs[0].shape[-1],
                           spec.as<SliceOp>().begin(), memory.input(0), width, memory.output(0));
        },
}};

constexpr Kernel kSliceGrad[] = {{
    .name = "copy",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          const int64_t width = spec.inputs[0].shape[-1];
          kernels::pad(spec.inputs[0].shape.elements() / width, width, memory.input(0), spec.outputs[0].shape[-1],
                       spec.as<SliceGradOp>().begin(), memory.output(0));
        },
}};

}  // namespace

std::vector<KernelTable> slice_kernels() { return {{SliceOp::kName, kSlice}, {SliceGradOp::kName, kSliceGrad}}; }

}  // namespace convoy
