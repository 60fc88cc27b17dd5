#include "kernels/rearrange.h"
#include "ops/op_list.h"
#include "ops/reshape/reshape.h"

namespace convoy {
namespace {

constexpr Kernel kReshape[] = {{
    .name = "copy",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          if (memory.input(0) == memory.output(0)) return;
          kernels::copy(spec.inputs[0].shape.elements(), memory.input(0), memory.output(0));
        },
}};

}  // namespace

std::vector<KernelTable> reshape_kernels() { return {{ReshapeOp::kName, kReshape}}; }

}  // namespace convoy
