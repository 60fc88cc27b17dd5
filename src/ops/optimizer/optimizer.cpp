#include "ops/optimizer/optimizer.h"

#include <fmt/format.h>

#include <cmath>

#include "kernels/optimizer.h"
#include "ops/optimizer/update.h"

namespace convoy {
namespace {

using kernels::optimizer_kernels;

void run_sgd(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = static_cast<const SgdOp&>(spec.op);
  const kernels::SgdStep step{.learning_rate = op.rate(memory.step),
                              .momentum = momentum_now(op.sgd().momentum, memory.step),
                              .l2 = op.l2(),
                              .grad_scale = grad_scale(spec, memory),
                              .nesterov = op.sgd().nesterov,
                              .keep = op.keep(memory.step)};
  optimizer_kernels().sgd(step, spec.inputs[0].shape.elements(), memory.input(2), memory.input(0), memory.input(1));
}

// 1 / (1 - beta^t) of the update at hand, which is the weight's t-th.
double correction(float beta, const UpdateOp& op, const StepScalars& step) {
  const int64_t t = step.update + 1 - op.update().first;
  return 1.0 / (1.0 - std::pow(static_cast<double>(beta), static_cast<double>(t)));
}

void run_adam(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = static_cast<const AdamOp&>(spec.op);
  const float beta1 = momentum_now(op.moments().beta1, memory.step), beta2 = op.moments().beta2;
  const kernels::AdamStep step{
      .step_size = static_cast<float>(op.rate(memory.step) * correction(beta1, op, memory.step)),
      .inverse_root = static_cast<float>(std::sqrt(correction(beta2, op, memory.step))),
      .beta1 = beta1,
      .beta2 = beta2,
      .epsilon = op.moments().eps,
      .l2 = op.l2(),
      .keep = op.keep(memory.step),
      .grad_scale = grad_scale(spec, memory)};
  optimizer_kernels().adam(step, spec.inputs[0].shape.elements(), memory.input(3), memory.input(0), memory.input(1),
                           memory.input(2));
}

void run_rmsprop(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = static_cast<const RmspropOp&>(spec.op);
  const RmspropOp::Attributes& a = op.rmsprop();
  const float rate = op.rate(memory.step);
  const kernels::RmspropStep step{.inner_rate = a.tensorflow ? rate : 1,
                                  .outer_rate = a.tensorflow ? 1 : rate,
                                  .alpha = a.alpha,
                                  .epsilon = a.eps,
                                  .momentum = momentum_now(a.momentum, memory.step),
                                  .l2 = op.l2(),
                                  .keep = op.keep(memory.step),
                                  .grad_scale = grad_scale(spec, memory),
                                  .epsilon_inside = a.tensorflow};
  optimizer_kernels().rmsprop(step, spec.inputs[0].shape.elements(), memory.input(3), memory.input(0), memory.input(1),
                              memory.input(2));
}

void run_lion(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = static_cast<const LionOp&>(spec.op);
  const kernels::LionStep step{.learning_rate = op.rate(memory.step),
                               .beta1 = momentum_now(op.lion().beta1, memory.step),
                               .beta2 = op.lion().beta2,
                               .keep = op.keep(memory.step),
                               .grad_scale = grad_scale(spec, memory)};
  optimizer_kernels().lion(step, spec.inputs[0].shape.elements(), memory.input(2), memory.input(0), memory.input(1));
}

// The direction, then room for its norm.
size_t lamb_workspace(const NodeSpec& spec) {
  const int64_t count = spec.inputs[0].shape.elements();
  return padded_floats(count) * sizeof(float) + kernels::squared_norm_workspace(count);
}

void run_lamb(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = static_cast<const LambOp&>(spec.op);
  const int64_t count = spec.inputs[0].shape.elements();
  const float beta1 = momentum_now(op.moments().beta1, memory.step), beta2 = op.moments().beta2;
  const kernels::LambStep step{.beta1 = beta1,
                               .beta2 = beta2,
                               .inverse_first = static_cast<float>(correction(beta1, op, memory.step)),
                               .inverse_root = static_cast<float>(std::sqrt(correction(beta2, op, memory.step))),
                               .epsilon = op.moments().eps,
                               .decay = op.l2(),
                               .grad_scale = grad_scale(spec, memory)};
  float* weight = memory.input(0);
  float* direction = reinterpret_cast<float*>(memory.workspace);
  std::byte* scratch = memory.workspace + padded_floats(count) * sizeof(float);
  optimizer_kernels().lamb(step, count, memory.input(3), weight, memory.input(1), memory.input(2), direction);
  const float keep = op.keep(memory.step);
  double trust = 1;
  if (op.update().weight_decay != 0) {
    const double weight_norm = keep * std::sqrt(optimizer_kernels().squared_norm(count, weight, scratch));
    const double direction_norm = std::sqrt(optimizer_kernels().squared_norm(count, direction, scratch));
    if (weight_norm > 0 && direction_norm > 0) trust = weight_norm / direction_norm;
  }
  optimizer_kernels().combine(count, keep, weight, static_cast<float>(-op.rate(memory.step) * trust), direction,
                              weight);
}

std::string describe(const MomentAttributes& moments) {
  return fmt::format("beta1={} beta2={} eps={}", moments.beta1, moments.beta2, moments.eps);
}

}  // namespace

float UpdateOp::keep(const StepScalars& step) const {
  return update_.decoupled ? 1 - rate(step) * update_.weight_decay : 1;
}

std::string UpdateOp::with_update(const std::string& attributes) const {
  return fmt::format("{} weight_decay={}{}{}{}", attributes, update_.weight_decay,
                     update_.decoupled ? " decoupled" : "",
                     update_.lr_scale == 1 ? "" : fmt::format(" lr_scale={}", update_.lr_scale),
                     update_.first == 0 ? "" : fmt::format(" first={}", update_.first));
}

std::string SgdOp::attributes() const {
  return with_update(fmt::format("momentum={}{}", attributes_.momentum, attributes_.nesterov ? " nesterov" : ""));
}

std::span<const Kernel> SgdOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, run_sgd}};
  return kTable;
}

std::string AdamOp::attributes() const { return with_update(describe(moments_)); }

std::span<const Kernel> AdamOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, run_adam}};
  return kTable;
}

std::string RmspropOp::attributes() const {
  return with_update(
      fmt::format("alpha={} momentum={} eps={}", attributes_.alpha, attributes_.momentum, attributes_.eps));
}

std::span<const Kernel> RmspropOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, run_rmsprop}};
  return kTable;
}

std::string LambOp::attributes() const { return with_update(describe(moments_)); }

std::span<const Kernel> LambOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, lamb_workspace, run_lamb}};
  return kTable;
}

std::string LionOp::attributes() const {
  return with_update(fmt::format("beta1={} beta2={}", attributes_.beta1, attributes_.beta2));
}

std::span<const Kernel> LionOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, run_lion}};
  return kTable;
}

}  // namespace convoy
