#include "ops/optimizer/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

void expect_at_least(const Op& op, std::string_view key, double value, double least) {
  if (value >= least) return;
  throw Error(fmt::format("{}: expected its {} to be at least {}, got {}", op.name(), key, least, value));
}

// A momentum, or the decay rate of an average.
void expect_share(const Op& op, std::string_view key, double value) {
  if (value >= 0 && value <= 1) return;
  throw Error(fmt::format("{}: expected its {} to be from 0 to 1, got {}", op.name(), key, value));
}

void expect_moments(const Op& op, const MomentAttributes& moments) {
  expect_share(op, "beta1", moments.beta1);
  expect_share(op, "beta2", moments.beta2);
  expect_at_least(op, "eps", moments.eps, 0);
}

// Of an optimizer that can do without.
void expect_momentum(const Op& op, float momentum, const TensorType& tensor) {
  expect_share(op, "momentum", momentum);
  if (tensor.present || momentum == 0) return;
  throw Error(fmt::format("{}: expected a tensor of the momentum {}, got none", op.name(), momentum));
}

void expect_decoupled(const UpdateOp& op) {
  if (op.l2() == 0) return;
  throw Error(fmt::format("{}: expected its weight_decay {} to be decoupled", op.name(), op.l2()));
}

}  // namespace

float UpdateOp::keep(const StepScalars& step) const {
  return update().decoupled ? 1 - rate(step) * update().weight_decay : 1;
}

std::vector<TensorType> UpdateOp::infer(std::span<const TensorType> inputs) const {
  expect_at_least(*this, "weight_decay", update().weight_decay, 0);
  expect_at_least(*this, "lr_scale", update().lr_scale, 0);
  expect_at_least(*this, "first", static_cast<double>(update().first), 0);
  const int last = static_cast<int>(inputs.size()) - 1;
  for (int i = 1; i < last; ++i) expect_shape(*this, inputs, i, inputs[0].shape);
  expect_shape(*this, inputs, last, Shape{});
  return {};
}

std::vector<TensorType> SgdOp::infer(std::span<const TensorType> inputs) const {
  expect_momentum(*this, attributes_.momentum, inputs[1]);
  return UpdateOp::infer(inputs);
}

std::vector<TensorType> AdamOp::infer(std::span<const TensorType> inputs) const {
  expect_moments(*this, moments_);
  return UpdateOp::infer(inputs);
}

std::vector<TensorType> RmspropOp::infer(std::span<const TensorType> inputs) const {
  expect_share(*this, "alpha", attributes_.alpha);
  expect_momentum(*this, attributes_.momentum, inputs[2]);
  expect_at_least(*this, "eps", attributes_.eps, 0);
  return UpdateOp::infer(inputs);
}

std::vector<TensorType> LambOp::infer(std::span<const TensorType> inputs) const {
  expect_moments(*this, moments_);
  return UpdateOp::infer(inputs);
}

std::vector<TensorType> LionOp::infer(std::span<const TensorType> inputs) const {
  expect_share(*this, "beta1", attributes_.beta1);
  expect_share(*this, "beta2", attributes_.beta2);
  expect_decoupled(*this);
  return UpdateOp::infer(inputs);
}

bool MuonOp::takes(const Shape& weight) {
  if (weight.rank() < 2) return false;
  const int64_t columns = weight[-1], rows = weight.elements() / columns, inputs = weight[-2];
  const int64_t smaller = std::min(rows, columns), larger = std::max(rows, columns);
  return inputs > 1 && columns > 1 && smaller >= 4 && larger <= 128 * smaller;
}

std::vector<TensorType> MuonOp::infer(std::span<const TensorType> inputs) const {
  expect_share(*this, "momentum", attributes_.momentum);
  expect_decoupled(*this);
  expect_rank(*this, inputs, 0, 2, Shape::kMaxRank);
  return UpdateOp::infer(inputs);
}

std::vector<TensorType> ClipFactorOp::infer(std::span<const TensorType>) const {
  expect_at_least(*this, "max_norm", max_norm_, 0);
  return {{Shape{}}};
}

double MovingAverageOp::decay_at(int64_t t, double decay) {
  return std::min(decay, 1 - std::pow(1 + static_cast<double>(t), -2.0 / 3));
}

std::vector<TensorType> MovingAverageOp::infer(std::span<const TensorType> inputs) const {
  expect_share(*this, "decay", decay_);
  expect_shape(*this, inputs, 1, inputs[0].shape);
  return {};
}

std::vector<TensorType> LookaheadOp::infer(std::span<const TensorType> inputs) const {
  expect_at_least(*this, "every", static_cast<double>(every_), 1);
  expect_share(*this, "decay", decay_);
  expect_shape(*this, inputs, 1, inputs[0].shape);
  return {};
}

std::vector<TensorType> AccumulateOp::infer(std::span<const TensorType> inputs) const {
  expect_shape(*this, inputs, 1, inputs[0].shape);
  return {};
}

std::vector<OpType> optimizer_ops() {
  return {op_type<SgdOp>(),       op_type<AdamOp>(),       op_type<RmspropOp>(),    op_type<LambOp>(),
          op_type<LionOp>(),      op_type<MuonOp>(),       op_type<ClipFactorOp>(), op_type<MovingAverageOp>(),
          op_type<LookaheadOp>(), op_type<AccumulateOp>(), op_type<ClearOp>()};
}

}  // namespace convoy
