#include "kernels/windows.h"
#include "ops/op_list.h"
#include "ops/relative_position_bias/relative_position_bias.h"

namespace convoy {
namespace {

// Of either op, whose first input is like the scores.
kernels::WindowScores scores_of(const NodeSpec& spec) {
  const WindowBias& options = spec.as<WindowBiasOp>().options();
  const Shape& scores = spec.inputs[0].shape;
  return {.grid = {.images = 1,
                   .height = options.windows.h * options.window.h,
                   .width = options.windows.w * options.window.w,
                   .channels = 1,
                   .window_height = options.window.h,
                   .window_width = options.window.w,
                   .shift_down = options.shift.h,
                   .shift_right = options.shift.w},
          .windows = scores[0],
          .heads = scores[1]};
}

size_t workspace(const NodeSpec& spec) { return kernels::position_bias_workspace(scores_of(spec)); }

constexpr Kernel kBias[] = {{
    .name = "table",
    .workspace = workspace,
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::add_position_bias(scores_of(spec), memory.input(0), memory.input(1), memory.output(0),
                                     memory.workspace);
        },
}};

constexpr Kernel kGradTable[] = {{
    .name = "table",
    .workspace = workspace,
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::position_bias_grad_table(scores_of(spec), memory.input(0), memory.output(0), memory.workspace);
        },
}};

}  // namespace

std::vector<KernelTable> relative_position_bias_kernels() {
  return {{RelativePositionBiasOp::kName, kBias}, {RelativePositionBiasGradOp::kName, kGradTable}};
}

}  // namespace convoy
