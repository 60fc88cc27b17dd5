#include "ops/optimizer/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/optimizer.h"
#include "kernels/rearrange.h"

namespace convoy {
namespace {

float factor(const NodeMemory& memory, int input) {
  const float* value = memory.input(input);
  return value == nullptr ? 1.0F : *value;
}

void run_sgd(const NodeSpec& spec, const NodeMemory& memory) {
  const SgdOp::Attributes& a = static_cast<const SgdOp&>(spec.op).sgd();
  const kernels::SgdStep step{memory.step.learning_rate, a.momentum, a.weight_decay, factor(memory, 3), a.nesterov};
  kernels::optimizer_kernels().sgd(step, spec.inputs[0].shape.elements(), memory.input(2), memory.input(0),
                                   memory.input(1));
}

void run_adam(const NodeSpec& spec, const NodeMemory& memory) {
  const AdamOp::Attributes& a = static_cast<const AdamOp&>(spec.op).adam();
  const auto t = static_cast<double>(memory.step.update + 1);
  const float rate = memory.step.learning_rate;
  const kernels::AdamStep step{
      .step_size = static_cast<float>(rate / (1.0 - std::pow(static_cast<double>(a.beta1), t))),
      .inverse_root = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(static_cast<double>(a.beta2), t))),
      .beta1 = a.beta1,
      .beta2 = a.beta2,
      .epsilon = a.eps,
      .l2 = a.decoupled ? 0 : a.weight_decay,
      .keep = a.decoupled ? 1 - rate * a.weight_decay : 1,
      .grad_scale = factor(memory, 4)};
  kernels::optimizer_kernels().adam(step, spec.inputs[0].shape.elements(), memory.input(3), memory.input(0),
                                    memory.input(1), memory.input(2));
}

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
  const float decay = static_cast<const MovingAverageOp&>(spec.op).decay();
  kernels::optimizer_kernels().moving_average(decay, spec.inputs[0].shape.elements(), memory.input(1), memory.input(0));
}

void run_accumulate(const NodeSpec& spec, const NodeMemory& memory) {
  const float* terms[] = {memory.input(0), memory.input(1)};
  kernels::elementwise_kernels().add(2, spec.inputs[0].shape.elements(), terms, memory.input(0));
}

void run_clear(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::fill(spec.inputs[0].shape.elements(), 0.0F, memory.input(0));
}

}  // namespace

std::string SgdOp::attributes() const {
  return fmt::format("momentum={}{} weight_decay={}", attributes_.momentum, attributes_.nesterov ? " nesterov" : "",
                     attributes_.weight_decay);
}

std::span<const Kernel> SgdOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, run_sgd}};
  return kTable;
}

std::string AdamOp::attributes() const {
  return fmt::format("beta1={} beta2={} eps={} weight_decay={}", attributes_.beta1, attributes_.beta2, attributes_.eps,
                     attributes_.weight_decay);
}

std::span<const Kernel> AdamOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, run_adam}};
  return kTable;
}

std::string ClipFactorOp::attributes() const { return fmt::format("max_norm={}", max_norm_); }

std::span<const Kernel> ClipFactorOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, clip_factor_workspace, run_clip_factor}};
  return kTable;
}

std::string MovingAverageOp::attributes() const { return fmt::format("decay={}", decay_); }

std::span<const Kernel> MovingAverageOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, run_moving_average}};
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
