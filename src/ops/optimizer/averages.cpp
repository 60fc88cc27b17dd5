// The updates that are no optimizer's own: clipping, averages, sums.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/optimizer.h"
#include "kernels/rearrange.h"
#include "ops/optimizer/optimizer.h"

namespace convoy {
namespace {

void run_clip_factor(const NodeSpec& spec, const NodeMemory& memory) {
  double sum = 0;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    sum += kernels::optimizer_kernels().squared_norm(spec.inputs[i].shape.elements(), memory.input(static_cast<int>(i)),
                                                     memory.workspace);
  }
  const double limit = static_cast<const ClipFactorOp&>(spec.op).max_norm();
  *memory.output(0) = static_cast<float>(std::min(1.0, limit / (std::sqrt(sum) + 1e-6)));
}

size_t clip_factor_workspace(const NodeSpec& spec) {
  size_t bytes = 0;
  for (const TensorType& type : spec.inputs) {
    bytes = std::max(bytes, kernels::squared_norm_workspace(type.shape.elements()));
  }
  return bytes;
}

void run_moving_average(const NodeSpec& spec, const NodeMemory& memory) {
  const double decay =
      MovingAverageOp::decay_at(memory.step.update, static_cast<const MovingAverageOp&>(spec.op).decay());
  kernels::optimizer_kernels().moving_average(static_cast<float>(decay), spec.inputs[0].shape.elements(),
                                              memory.input(1), memory.input(0));
}

void run_lookahead(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = static_cast<const LookaheadOp&>(spec.op);
  const int64_t done = memory.step.update + 1, count = spec.inputs[0].shape.elements();
  const bool last = done == memory.step.updates;
  if (!last && done % op.every() != 0) return;
  float* value = memory.input(0);
  float* slow = memory.input(1);
  const double share = static_cast<double>(done) / static_cast<double>(memory.step.updates);
  const double decay = std::pow(op.decay(), static_cast<double>(op.every())) * share * share * share;
  if (done % op.every() == 0) {
    kernels::optimizer_kernels().moving_average(static_cast<float>(decay), count, value, slow);
  }
  std::copy_n(slow, count, value);
}

void run_accumulate(const NodeSpec& spec, const NodeMemory& memory) {
  const float* terms[] = {memory.input(0), memory.input(1)};
  kernels::elementwise_kernels().add(2, spec.inputs[0].shape.elements(), terms, memory.input(0));
}

void run_clear(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::fill(spec.inputs[0].shape.elements(), 0.0F, memory.input(0));
}

}  // namespace

std::string ClipFactorOp::attributes() const { return fmt::format("max_norm={}", max_norm_); }

std::span<const Kernel> ClipFactorOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, clip_factor_workspace, run_clip_factor}};
  return kTable;
}

double MovingAverageOp::decay_at(int64_t t, double decay) {
  return std::min(decay, 1 - std::pow(1 + static_cast<double>(t), -2.0 / 3));
}

std::string MovingAverageOp::attributes() const { return fmt::format("decay={}", decay_); }

std::span<const Kernel> MovingAverageOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, run_moving_average}};
  return kTable;
}

std::string LookaheadOp::attributes() const { return fmt::format("every={} decay={}", every_, decay_); }

std::span<const Kernel> LookaheadOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, run_lookahead}};
  return kTable;
}

std::span<const Kernel> AccumulateOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, run_accumulate}};
  return kTable;
}

std::span<const Kernel> ClearOp::kernels() const {
  static constexpr Kernel kTable[] = {{"fill", nullptr, nullptr, run_clear}};
  return kTable;
}

}  // namespace convoy
