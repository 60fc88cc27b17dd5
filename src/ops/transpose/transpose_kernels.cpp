#include <algorithm>
#include <array>

#include "kernels/rearrange.h"
#include "ops/map_kernels.h"
#include "ops/op_list.h"
#include "ops/transpose/transpose.h"

namespace convoy {
namespace {

template <class Map>
void run(const NodeSpec& spec, const NodeMemory& memory) {
  const std::vector<int64_t>& axes = spec.as<TransposeOp>().axes();
  std::array<int, Shape::kMaxRank> order{};
  std::ranges::transform(axes, order.begin(), [](int64_t axis) { return static_cast<int>(axis); });
  kernels::permute(spec.inputs[0].shape, std::span(order).first(axes.size()), map_input<Map>(memory, 0),
                   map_output<Map>(memory, 0));
}

constexpr DType kBytes[] = {DType::u8};
constexpr Kernel kTranspose[] = {{.name = "copy", .run = run<float>},
                                 {.name = "copy", .run = run<uint8_t>, .accepts = kBytes}};

}  // namespace

std::vector<KernelTable> transpose_kernels() { return {{TransposeOp::kName, kTranspose}}; }

}  // namespace convoy
