#include "kernels/rearrange.h"
#include "kernels/rows.h"
#include "ops/map_kernels.h"
#include "ops/op_list.h"
#include "ops/slice/slice.h"

namespace convoy {
namespace {

template <class Map>
void run_slice(const NodeSpec& spec, const NodeMemory& memory) {
  const int64_t width = spec.outputs[0].shape[-1];
  const auto part =
      kernels::RowPart::of(map_input<Map>(memory, 0) + spec.as<SliceOp>().begin(), spec.inputs[0].shape[-1], width);
  kernels::row_kernels().join(spec.outputs[0].shape.elements() / width, {&part, 1},
                              reinterpret_cast<std::byte*>(map_output<Map>(memory, 0)), part.bytes);
}

template <class Map>
void run_grad(const NodeSpec& spec, const NodeMemory& memory) {
  const int64_t width = spec.inputs[0].shape[-1];
  kernels::pad(spec.inputs[0].shape.elements() / width, width, map_input<Map>(memory, 0), spec.outputs[0].shape[-1],
               spec.as<SliceGradOp>().begin(), map_output<Map>(memory, 0));
}

constexpr DType kBytes[] = {DType::u8};
constexpr Kernel kSlice[] = {{.name = "copy", .run = run_slice<float>},
                             {.name = "copy", .run = run_slice<uint8_t>, .accepts = kBytes},
                             bf16_kernel(run_slice<Bf16>)};
constexpr Kernel kSliceGrad[] = {{.name = "copy", .run = run_grad<float>}, bf16_kernel(run_grad<Bf16>)};

}  // namespace

std::vector<KernelTable> slice_kernels() { return {{SliceOp::kName, kSlice}, {SliceGradOp::kName, kSliceGrad}}; }

}  // namespace convoy
