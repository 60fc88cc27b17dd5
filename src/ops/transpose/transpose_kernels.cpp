#include <algorithm>
#include <array>

#include "kernels/rearrange.h"
#include "ops/op_list.h"
#include "ops/transpose/transpose.h"

namespace convoy {
namespace {

constexpr Kernel kTranspose[] = {{
    .name = "copy",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          const std::vector<int64_t>& axes = spec.as<TransposeOp>().axes();
          std::array<int, Shape::kMaxRank> order{};
          std::ranges::transform(axes, order.begin(), [](int64_t axis) { return static_cast<int>(axis); });
          kernels::permute(spec.inputs[0].shape, std::span(order).first(axes.size()), memory.input(0),
                           memory.output(0));
        },
}};

}  // namespace

std::vector<KernelTable> transpose_kernels() { return {{TransposeOp::kName, kTranspose}}; }

}  // namespace convoy
