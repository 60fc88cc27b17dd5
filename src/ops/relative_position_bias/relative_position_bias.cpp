#include "ops/relative_position_bias/relative_position_bias.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "ops/append.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

int64_t distances(Size2 window) { return (2 * window.h - 1) * (2 * window.w - 1); }

bool sound(const WindowBias& options) {
  constexpr int64_t kMost = 1 << 20;
  const auto [window, windows, shift] = options;
  const auto within = [](Size2 size, int64_t least) {
    return size.at_least(least) && size.h <= kMost && size.w <= kMost;
  };
  return within(window, 1) && within(windows, 1) && within(shift, 0) && shift.h < window.h && shift.w < window.w;
}

// Row of the table {distances, heads} for element i of the scores.
int64_t table_row(Size2 window, int64_t i) {
  const int64_t positions = window.h * window.w, key = i % positions, query = i / positions % positions;
  const int64_t down = query / window.w - key / window.w, right = query % window.w - key % window.w;
  return (down + window.h - 1) * (2 * window.w - 1) + right + window.w - 1;
}

// 0 to 2: the stretch of a shifted axis that a position lies on, of which the first begins behind no seam.
int stretch(int64_t position, int64_t extent, int64_t window, int64_t shift) {
  return static_cast<int>(shift > 0 && position >= extent - window) +
         static_cast<int>(shift > 0 && position >= extent - shift);
}

}  // namespace

void WindowBiasOp::check_scores(std::span<const TensorType> inputs) const {
  const Shape& scores = inputs[0].shape;
  const Size2 window = options_.window, windows = options_.windows;
  if (!sound(options_)) {
    throw Error(fmt::format("{}: windows cannot have {}", name(), to_string(attributes())));
  }
  const int64_t positions = window.h * window.w;
  if (scores.rank() != 4 || scores[2] != positions || scores[3] != positions ||
      scores[0] % (windows.h * windows.w) != 0) {
    throw Error(fmt::format("{0}: expected scores {{N * windows, heads, {2}, {2}}}, got {1} for {3}", name(),
                            scores.to_string(), positions, to_string(attributes())));
  }
}

std::vector<TensorType> RelativePositionBiasOp::infer(std::span<const TensorType> inputs) const {
  check_scores(inputs);
  expect_shape(*this, inputs, 1, {distances(options_.window), inputs[0].shape[1]});
  return {inputs[0]};
}

void RelativePositionBiasOp::gradient(GradientScope& scope) const {
  if (scope.wants(0)) scope.set_grad_input(0, scope.grad_output(0));
  if (scope.wants(1)) {
    scope.set_grad_input(1,
                         scope.add(std::make_shared<RelativePositionBiasGradOp>(options_), {scope.grad_output(0)})[0]);
  }
}

void RelativePositionBiasOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                       const StepScalars&) const {
  const Shape& shape = inputs[0].type.shape;
  const Size2 window = options_.window, windows = options_.windows, shift = options_.shift;
  const int64_t heads = shape[1], positions = shape[2];
  for (int64_t i = 0; i < shape.elements(); ++i) {
    const int64_t key = i % positions, query = i / positions % positions, head = i / positions / positions % heads;
    const int64_t place = i / positions / positions / heads % (windows.h * windows.w);
    const auto stretches = [&](int64_t position) {
      const int64_t y = place / windows.w * window.h + position / window.w;
      const int64_t x = place % windows.w * window.w + position % window.w;
      return std::pair(stretch(y, windows.h * window.h, window.h, shift.h),
                       stretch(x, windows.w * window.w, window.w, shift.w));
    };
    const double mask = stretches(query) == stretches(key) ? 0 : -100;
    const double bias = inputs[1].begin()[table_row(window, i) * heads + head];
    outputs[0].begin()[i] = inputs[0].begin()[i] + bias + mask;
  }
}

std::vector<TensorType> RelativePositionBiasGradOp::infer(std::span<const TensorType> inputs) const {
  check_scores(inputs);
  return {{Shape{distances(options_.window), inputs[0].shape[1]}, inputs[0].dtype}};
}

void RelativePositionBiasGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                           const StepScalars&) const {
  const Shape& shape = inputs[0].type.shape;
  const int64_t heads = shape[1], pairs = shape[2] * shape[3];
  for (int64_t i = 0; i < shape.elements(); ++i) {
    outputs[0].begin()[table_row(options_.window, i) * heads + i / pairs % heads] += inputs[0].begin()[i];
  }
}

std::vector<OpType> relative_position_bias_ops() {
  return {op_type<RelativePositionBiasOp>(), op_type<RelativePositionBiasGradOp>()};
}

Value relative_position_bias(Value scores, Value table, const WindowBias& options) {
  return append(std::make_shared<RelativePositionBiasOp>(options), {scores, table});
}

}  // namespace convoy
