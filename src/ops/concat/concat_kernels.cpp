// The kernel that joins tensors along the channels.
#include "kernels/rearrange.h"
#include "ops/concat/concat.h"
#include "ops/map_kernels.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

template <class Map>
void run(const NodeSpec& spec, const NodeMemory& memory) {
  const Shape& shape = spec.outputs[0].shape;
  const int64_t rows = shape.elements() / shape[-1];
  int64_t offset = 0;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    const int64_t width = spec.inputs[i].shape[-1];
    kernels::insert(rows, width, map_input<Map>(memory, static_cast<int>(i)), shape[-1], offset,
                    map_output<Map>(memory, 0));
    offset += width;
  }
}

constexpr DType kBytes[] = {DType::u8};
constexpr Kernel kTable[] = {{.name = "copy", .run = run<float>},
                             {.name = "copy", .run = run<uint8_t>, .accepts = kBytes},
                             bf16_kernel(run<Bf16>)};

}  // namespace

std::vector<KernelTable> concat_kernels() { return {{ConcatOp::kName, kTable}}; }

}  // namespace convoy
