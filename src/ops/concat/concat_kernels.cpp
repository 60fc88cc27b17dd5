// The kernel that joins tensors along the channels.
#include <algorithm>
#include <array>
#include <span>

#include "kernels/rows.h"
#include "ops/concat/concat.h"
#include "ops/map_kernels.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

template <class Map>
void run(const NodeSpec& spec, const NodeMemory& memory) {
  constexpr size_t kParts = 8;  // at a time
  const Shape& shape = spec.outputs[0].shape;
  Map* output = map_output<Map>(memory, 0);
  for (size_t input = 0; input < spec.inputs.size(); input += kParts) {
    std::array<kernels::RowPart, kParts> parts;
    const size_t count = std::min(kParts, spec.inputs.size() - input);
    int64_t joined = 0;
    for (size_t i = 0; i < count; ++i) {
      const int64_t width = spec.inputs[input + i].shape[-1];
      parts[i] = kernels::RowPart::of(map_input<Map>(memory, static_cast<int>(input + i)), width, width);
      joined += width;
    }
    kernels::row_kernels().join(shape.elements() / shape[-1], std::span(parts).first(count),
                                reinterpret_cast<std::byte*>(output), shape[-1] * int64_t{sizeof(Map)});
    output += joined;
  }
}

constexpr DType kBytes[] = {DType::u8};
constexpr Kernel kTable[] = {{.name = "copy", .run = run<float>},
                             {.name = "copy", .run = run<uint8_t>, .accepts = kBytes},
                             bf16_kernel(run<Bf16>)};

}  // namespace

std::vector<KernelTable> concat_kernels() { return {{ConcatOp::kName, kTable}}; }

}  // namespace convoy
