#include "kernels/windows.h"
#include "ops/op_list.h"
#include "ops/window/window.h"

namespace convoy {
namespace {

kernels::WindowGrid grid_of(const WindowAttributes& attributes, const Shape& image) {
  return {.images = image[0],
          .height = image[1],
          .width = image[2],
          .channels = image[3],
          .window_height = attributes.window.h,
          .window_width = attributes.window.w,
          .shift_down = attributes.shift.h,
          .shift_right = attributes.shift.w};
}

constexpr Kernel kPartition[] = {{
    .name = "copy",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::partition_windows(grid_of(spec.as<WindowPartitionOp>().windows(), spec.inputs[0].shape),
                                     memory.input(0), memory.output(0));
        },
}};

constexpr Kernel kMerge[] = {{
    .name = "copy",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::merge_windows(grid_of(spec.as<WindowMergeOp>().windows(), spec.outputs[0].shape), memory.input(0),
                                 memory.output(0));
        },
}};

}  // namespace

std::vector<KernelTable> window_kernels() {
  return {{WindowPartitionOp::kName, kPartition}, {WindowMergeOp::kName, kMerge}};
}

}  // namespace convoy
