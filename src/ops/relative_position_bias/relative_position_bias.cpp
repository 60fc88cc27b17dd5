#include "ops/relative_position_bias/relative_position_bias.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "graph/autodiff.h"
#include "kernels/windows.h"
#include "ops/append.h"

namespace convoy {
namespace {

int64_t distances(Size2 window) { return (2 * window.h - 1) * (2 * window.w - 1); }

kernels::WindowScores scores_of(const WindowBias& options, const Shape& scores) {
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

// 0 to 2: the stretch of a shifted axis that a position lies on, of which the first begins behind no seam.
int stretch(int64_t position, int64_t extent, int64_t window, int64_t shift) {
  return static_cast<int>(shift > 0 && position >= extent - window) +
         static_cast<int>(shift > 0 && position >= extent - shift);
}

}  // namespace

std::string RelativePositionBiasOp::attributes() const {
  std::string text = fmt::format("window={}x{}", options_.window.h, options_.window.w);
  if (!(options_.shift == Size2(0))) {
    text += fmt::format(" windows={}x{} shift={}x{}", options_.windows.h, options_.windows.w, options_.shift.h,
                        options_.shift.w);
  }
  return text;
}

std::vector<TensorType> RelativePositionBiasOp::infer(std::span<const TensorType> inputs) const {
  const Shape &scores = inputs[0].shape, &table = inputs[1].shape;
  const auto [window, windows, shift] = options_;
  const bool sound = window.h > 0 && window.w > 0 && windows.h > 0 && windows.w > 0 && shift.h >= 0 &&
                     shift.h < window.h && shift.w >= 0 && shift.w < window.w;
  const int64_t positions = window.h * window.w;
  if (!sound || scores.rank() != 4 || scores[2] != positions || scores[3] != positions ||
      scores[0] % (windows.h * windows.w) != 0) {
    throw Error(fmt::format("relative_position_bias: expected scores {{N * windows, heads, {1}, {1}}}, got {0} for {2}",
                            scores.to_string(), positions, attributes()));
  }
  if (table != Shape({distances(window), scores[1]})) {
    throw Error(fmt::format("relative_position_bias: expected a table {{{}, {}}}, got {}", distances(window), scores[1],
                            table.to_string()));
  }
  return {inputs[0]};
}

void RelativePositionBiasOp::gradient(GradientScope& scope) const {
  if (scope.wants(0)) scope.set_grad_input(0, scope.grad_output(0));
  if (scope.wants(1)) {
    scope.set_grad_input(1,
                         scope.add(std::make_shared<RelativePositionBiasGradOp>(options_), {scope.grad_output(0)})[0]);
  }
}

void RelativePositionBiasOp::reference(std::span<const ReferenceTensor> inputs,
                                       std::span<ReferenceTensor> outputs) const {
  const Shape& shape = inputs[0].type.shape;
  const Size2 window = options_.window, windows = options_.windows, shift = options_.shift;
  const int64_t heads = shape[1], positions = shape[2];
  for (int64_t i = 0; i < shape.elements(); ++i) {
    const int64_t key = i % positions, query = i / positions % positions, head = i / positions / positions % heads;
    const int64_t place = i / positions / positions / heads % (windows.h * windows.w);
    const int64_t down = query / window.w - key / window.w, right = query % window.w - key % window.w;
    const int64_t row = (down + window.h - 1) * (2 * window.w - 1) + right + window.w - 1;
    const auto stretches = [&](int64_t position) {
      const int64_t y = place / windows.w * window.h + position / window.w;
      const int64_t x = place % windows.w * window.w + position % window.w;
      return std::pair(stretch(y, windows.h * window.h, window.h, shift.h),
                       stretch(x, windows.w * window.w, window.w, shift.w));
    };
    const double mask = stretches(query) == stretches(key) ? 0 : -100;
    outputs[0].begin()[i] = inputs[0].begin()[i] + inputs[1].begin()[row * heads + head] + mask;
  }
}

std::span<const Kernel> RelativePositionBiasOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"table", nullptr,
       [](const NodeSpec& spec) {
         const auto& op = static_cast<const RelativePositionBiasOp&>(spec.op);
         return kernels::position_bias_workspace(scores_of(op.options(), spec.inputs[0].shape));
       },
       [](const NodeSpec& spec, const NodeMemory& memory) {
         const auto& op = static_cast<const RelativePositionBiasOp&>(spec.op);
         kernels::add_position_bias(scores_of(op.options(), spec.inputs[0].shape), memory.input(0), memory.input(1),
                                    memory.output(0), memory.workspace);
       }},
  };
  return kTable;
}

std::vector<TensorType> RelativePositionBiasGradOp::infer(std::span<const TensorType> inputs) const {
  return {{Shape{distances(options_.window), inputs[0].shape[1]}, inputs[0].dtype}};
}

std::span<const Kernel> RelativePositionBiasGradOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"table", nullptr,
       [](const NodeSpec& spec) {
         const auto& op = static_cast<const RelativePositionBiasGradOp&>(spec.op);
         return kernels::position_bias_workspace(scores_of(op.options(), spec.inputs[0].shape));
       },
       [](const NodeSpec& spec, const NodeMemory& memory) {
         const auto& op = static_cast<const RelativePositionBiasGradOp&>(spec.op);
         kernels::position_bias_grad_table(scores_of(op.options(), spec.inputs[0].shape), memory.input(0),
                                           memory.output(0), memory.workspace);
       }},
  };
  return kTable;
}

Value relative_position_bias(Value scores, Value table, const WindowBias& options) {
  return append(std::make_shared<RelativePositionBiasOp>(options), {scores, table});
}

}  // namespace convoy
