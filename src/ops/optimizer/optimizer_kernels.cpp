// Which kernels compute the updates.
#include <algorithm>
#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/optimizer.h"
#include "kernels/rearrange.h"
#include "ops/op_list.h"
#include "ops/optimizer/optimizer.h"
#include "ops/optimizer/update.h"

namespace convoy {
namespace {

void run_sgd(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = spec.as<SgdOp>();
  const kernels::SgdStep step{.learning_rate = op.rate(memory.step),
                              .momentum = momentum_now(op.sgd().momentum, memory.step),
                              .l2 = op.l2(),
                              .grad_scale = grad_scale(spec, memory),
                              .nesterov = op.sgd().nesterov,
                              .keep = op.keep(memory.step)};
  kernels::optimizer_kernels().sgd(step, spec.inputs[0].shape.elements(), memory.input(2), memory.variable(0),
                                   memory.variable(1));
}

// 1 / (1 - beta^t) of the update at hand, which is the weight's t-th.
double correction(float beta, const UpdateOp& op, const StepScalars& step) {
  const int64_t t = step.update + 1 - op.update().first;
  return 1.0 / (1.0 - std::pow(static_cast<double>(beta), static_cast<double>(t)));
}

void run_adam(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = spec.as<AdamOp>();
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
  kernels::optimizer_kernels().adam(step, spec.inputs[0].shape.elements(), memory.input(3), memory.variable(0),
                                    memory.variable(1), memory.variable(2));
}

void run_rmsprop(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = spec.as<RmspropOp>();
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
  kernels::optimizer_kernels().rmsprop(step, spec.inputs[0].shape.elements(), memory.input(3), memory.variable(0),
                                       memory.variable(1), memory.variable(2));
}

void run_lion(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = spec.as<LionOp>();
  const kernels::LionStep step{.learning_rate = op.rate(memory.step),
                               .beta1 = momentum_now(op.lion().beta1, memory.step),
                               .beta2 = op.lion().beta2,
                               .keep = op.keep(memory.step),
                               .grad_scale = grad_scale(spec, memory)};
  kernels::optimizer_kernels().lion(step, spec.inputs[0].shape.elements(), memory.input(2), memory.variable(0),
                                    memory.variable(1));
}

// The direction, then room for its norm.
size_t lamb_workspace(const NodeSpec& spec) {
  const int64_t count = spec.inputs[0].shape.elements();
  return padded_floats(count) * sizeof(float) + kernels::squared_norm_workspace(count);
}

void run_lamb(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = spec.as<LambOp>();
  const int64_t count = spec.inputs[0].shape.elements();
  const float beta1 = momentum_now(op.moments().beta1, memory.step), beta2 = op.moments().beta2;
  const kernels::LambStep step{.beta1 = beta1,
                               .beta2 = beta2,
                               .inverse_first = static_cast<float>(correction(beta1, op, memory.step)),
                               .inverse_root = static_cast<float>(std::sqrt(correction(beta2, op, memory.step))),
                               .epsilon = op.moments().eps,
                               .decay = op.l2(),
                               .grad_scale = grad_scale(spec, memory)};
  float* weight = memory.variable(0);
  float* direction = reinterpret_cast<float*>(memory.workspace);
  std::byte* scratch = memory.workspace + padded_floats(count) * sizeof(float);
  const kernels::OptimizerKernels& optimizer = kernels::optimizer_kernels();
  optimizer.lamb(step, count, memory.input(3), weight, memory.variable(1), memory.variable(2), direction);
  const float keep = op.keep(memory.step);
  double trust = 1;
  if (op.update().weight_decay != 0) {
    const double weight_norm = keep * std::sqrt(optimizer.squared_norm(count, weight, scratch));
    const double direction_norm = std::sqrt(optimizer.squared_norm(count, direction, scratch));
    if (weight_norm > 0 && direction_norm > 0) trust = weight_norm / direction_norm;
  }
  optimizer.combine(count, keep, weight, static_cast<float>(-op.rate(memory.step) * trust), direction, weight);
}

void run_clip_factor(const NodeSpec& spec, const NodeMemory& memory) {
  double sum = 0;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    sum += kernels::optimizer_kernels().squared_norm(spec.inputs[i].shape.elements(), memory.input(static_cast<int>(i)),
                                                     memory.workspace);
  }
  const double limit = spec.as<ClipFactorOp>().max_norm();
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
  const double decay = MovingAverageOp::decay_at(memory.step.update, spec.as<MovingAverageOp>().decay());
  kernels::optimizer_kernels().moving_average(static_cast<float>(decay), spec.inputs[0].shape.elements(),
                                              memory.input(1), memory.variable(0));
}

void run_lookahead(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = spec.as<LookaheadOp>();
  const int64_t done = memory.step.update + 1, count = spec.inputs[0].shape.elements();
  const bool last = done == memory.step.updates;
  if (!last && done % op.every() != 0) return;
  float* value = memory.variable(0);
  float* slow = memory.variable(1);
  const double share = static_cast<double>(done) / static_cast<double>(memory.step.updates);
  const double decay = std::pow(op.decay(), static_cast<double>(op.every())) * share * share * share;
  if (done % op.every() == 0) {
    kernels::optimizer_kernels().moving_average(static_cast<float>(decay), count, value, slow);
  }
  std::copy_n(slow, count, value);
}

void run_accumulate(const NodeSpec& spec, const NodeMemory& memory) {
  const float* terms[] = {memory.input(0), memory.input(1)};
  kernels::elementwise_kernels().f32.add(2, spec.inputs[0].shape.elements(), terms, memory.variable(0));
}

void run_clear(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::fill(spec.inputs[0].shape.elements(), 0.0F, memory.variable(0));
}

constexpr Kernel kSgd[] = {{.name = "simd", .run = run_sgd}};
constexpr Kernel kAdam[] = {{.name = "simd", .run = run_adam}};
constexpr Kernel kRmsprop[] = {{.name = "simd", .run = run_rmsprop}};
constexpr Kernel kLamb[] = {{.name = "simd", .workspace = lamb_workspace, .run = run_lamb}};
constexpr Kernel kLion[] = {{.name = "simd", .run = run_lion}};
constexpr Kernel kMuon[] = {{.name = "newton_schulz", .workspace = newton_schulz_workspace, .run = run_newton_schulz}};
constexpr Kernel kClipFactor[] = {{.name = "simd", .workspace = clip_factor_workspace, .run = run_clip_factor}};
constexpr Kernel kMovingAverage[] = {{.name = "simd", .run = run_moving_average}};
constexpr Kernel kLookahead[] = {{.name = "simd", .run = run_lookahead}};
constexpr Kernel kAccumulate[] = {{.name = "simd", .run = run_accumulate}};
constexpr Kernel kClear[] = {{.name = "fill", .run = run_clear}};

}  // namespace

std::vector<KernelTable> optimizer_kernels() {
  return {{SgdOp::kName, kSgd},
          {AdamOp::kName, kAdam},
          {RmspropOp::kName, kRmsprop},
          {LambOp::kName, kLamb},
          {LionOp::kName, kLion},
          {MuonOp::kName, kMuon},
          {ClipFactorOp::kName, kClipFactor},
          {MovingAverageOp::kName, kMovingAverage},
          {LookaheadOp::kName, kLookahead},
          {AccumulateOp::kName, kAccumulate},
          {ClearOp::kName, kClear}};
}

}  // namespace convoy
