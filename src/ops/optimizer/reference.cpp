// The updates in plain double precision.
#include <algorithm>
#include <cmath>

#include "ops/optimizer/optimizer.h"

namespace convoy {
namespace {

using Numbers = std::vector<double>;

double norm(const Numbers& x) {
  double squares = 0;
  for (const double element : x) squares += element * element;
  return std::sqrt(squares);
}

// One update of a weight.
struct Update {
  double rate, l2, keep;
  double t;  // counted from 1
  double grad_scale;
  const Numbers& grad_weight;

  Update(const UpdateOp& op, std::span<const ReferenceTensor> inputs, const StepScalars& step)
      : rate(static_cast<double>(step.learning_rate) * op.update().lr_scale),
        l2(op.l2()),
        keep(op.update().decoupled ? 1 - rate * op.update().weight_decay : 1),
        t(static_cast<double>(step.update + 1 - op.update().first)),
        grad_scale(inputs.back().type.present ? inputs.back().data[0] : 1),
        grad_weight(inputs[inputs.size() - 2].data) {}

  double gradient(size_t i) const { return grad_scale * grad_weight[i]; }
};

// Adam's two moments.
struct Moments {
  double beta1, beta2, eps;
  double share1, share2;  // of the gradients so far in the moments, which started at zero

  Moments(const MomentAttributes& attributes, const Update& update, const StepScalars& step)
      : beta1(momentum_now(attributes.beta1, step)),
        beta2(attributes.beta2),
        eps(attributes.eps),
        share1(1 - std::pow(beta1, update.t)),
        share2(1 - std::pow(beta2, update.t)) {}

  // Takes an element's gradient into its moments and returns its direction.
  double direction(double gradient, double& first, double& second) const {
    first = beta1 * first + (1 - beta1) * gradient;
    second = beta2 * second + (1 - beta2) * gradient * gradient;
    return first / share1 / (std::sqrt(second / share2) + eps);
  }
};

Numbers transposed(size_t rows, size_t columns, const Numbers& x) {
  Numbers result(x.size());
  for (size_t i = 0; i < x.size(); ++i) result[i % columns * rows + i / columns] = x[i];
  return result;
}

// a {m, k} times b {k, n}.
Numbers product(size_t m, size_t k, size_t n, const Numbers& a, const Numbers& b) {
  Numbers result(m * n);
  for (size_t i = 0; i < m; ++i) {
    for (size_t p = 0; p < k; ++p) {
      for (size_t j = 0; j < n; ++j) result[i * n + j] += a[i * k + p] * b[p * n + j];
    }
  }
  return result;
}

// zeropower_via_newtonschulz5 of Jordan's.
Numbers orthogonalized(size_t rows, size_t columns, Numbers x) {
  if (rows > columns) return transposed(columns, rows, orthogonalized(columns, rows, transposed(rows, columns, x)));
  const double scale = 1 / (norm(x) + 1e-7);
  for (double& element : x) element *= scale;
  for (int iteration = 0; iteration < 5; ++iteration) {
    Numbers gram = product(rows, columns, rows, x, transposed(rows, columns, x));
    const Numbers square = product(rows, rows, rows, gram, gram);
    for (size_t i = 0; i < gram.size(); ++i) gram[i] = -4.7750 * gram[i] + 2.0315 * square[i];
    const Numbers change = product(rows, rows, columns, gram, x);
    for (size_t i = 0; i < x.size(); ++i) x[i] = 3.4445 * x[i] + change[i];
  }
  return x;
}

}  // namespace

void SgdOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor>, const StepScalars& step) const {
  const Update update(*this, inputs, step);
  const double momentum = momentum_now(attributes_.momentum, step);
  Numbers &weight = inputs[0].data, &velocity = inputs[1].data;
  for (size_t i = 0; i < weight.size(); ++i) {
    const double gradient = update.gradient(i) + update.l2 * weight[i];
    double direction = gradient;
    if (inputs[1].type.present) {
      velocity[i] = momentum * velocity[i] + gradient;
      direction = attributes_.nesterov ? gradient + momentum * velocity[i] : velocity[i];
    }
    weight[i] = update.keep * weight[i] - update.rate * direction;
  }
}

void AdamOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor>, const StepScalars& step) const {
  const Update update(*this, inputs, step);
  const Moments moments(moments_, update, step);
  Numbers& weight = inputs[0].data;
  for (size_t i = 0; i < weight.size(); ++i) {
    const double gradient = update.gradient(i) + update.l2 * weight[i];
    const double direction = moments.direction(gradient, inputs[1].data[i], inputs[2].data[i]);
    weight[i] = update.keep * weight[i] - update.rate * direction;
  }
}

void RmspropOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor>,
                          const StepScalars& step) const {
  const Update update(*this, inputs, step);
  const double momentum = momentum_now(attributes_.momentum, step), alpha = attributes_.alpha, eps = attributes_.eps;
  Numbers &weight = inputs[0].data, &second = inputs[1].data, &velocity = inputs[2].data;
  for (size_t i = 0; i < weight.size(); ++i) {
    const double gradient = update.gradient(i) + update.l2 * weight[i];
    second[i] = alpha * second[i] + (1 - alpha) * gradient * gradient;
    const double root = attributes_.tensorflow ? std::sqrt(second[i] + eps) : std::sqrt(second[i]) + eps;
    double move = (attributes_.tensorflow ? update.rate : 1) * gradient / root;
    if (inputs[2].type.present) move = velocity[i] = momentum * velocity[i] + move;
    weight[i] = update.keep * weight[i] - (attributes_.tensorflow ? 1 : update.rate) * move;
  }
}

void LambOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor>, const StepScalars& step) const {
  const Update update(*this, inputs, step);
  const Moments moments(moments_, update, step);
  Numbers& weight = inputs[0].data;
  Numbers direction(weight.size());
  for (size_t i = 0; i < weight.size(); ++i) {
    direction[i] = moments.direction(update.gradient(i), inputs[1].data[i], inputs[2].data[i]) + update.l2 * weight[i];
  }
  for (double& element : weight) element *= update.keep;
  const double weight_norm = norm(weight), direction_norm = norm(direction);
  const bool adapts = moments_.update.weight_decay != 0 && weight_norm > 0 && direction_norm > 0;
  const double trust = adapts ? weight_norm / direction_norm : 1;
  for (size_t i = 0; i < weight.size(); ++i) weight[i] -= update.rate * trust * direction[i];
}

void LionOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor>, const StepScalars& step) const {
  const Update update(*this, inputs, step);
  const double beta1 = momentum_now(attributes_.beta1, step), beta2 = attributes_.beta2;
  Numbers &weight = inputs[0].data, &moment = inputs[1].data;
  for (size_t i = 0; i < weight.size(); ++i) {
    const double gradient = update.gradient(i);
    const double ahead = beta1 * moment[i] + (1 - beta1) * gradient;
    const double sign = ahead > 0 ? 1 : ahead < 0 ? -1 : 0;
    weight[i] = update.keep * weight[i] - update.rate * sign;
    moment[i] = beta2 * moment[i] + (1 - beta2) * gradient;
  }
}

void MuonOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor>, const StepScalars& step) const {
  const Update update(*this, inputs, step);
  const double beta = momentum_now(attributes_.momentum, step);
  Numbers &weight = inputs[0].data, &momentum = inputs[1].data;
  Numbers direction(weight.size());
  for (size_t i = 0; i < weight.size(); ++i) {
    const double gradient = update.gradient(i);
    momentum[i] = beta * momentum[i] + (1 - beta) * gradient;
    direction[i] = beta * momentum[i] + (1 - beta) * gradient;
  }
  const auto columns = static_cast<size_t>(inputs[0].type.shape[-1]);
  const size_t rows = weight.size() / columns;
  direction = orthogonalized(rows, columns, std::move(direction));
  const double rate = update.rate * 0.2 * std::sqrt(static_cast<double>(std::max(rows, columns)));
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = update.keep * weight[i] - rate * direction[i];
}

void ClipFactorOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                             const StepScalars&) const {
  double total = 0;
  for (const ReferenceTensor& gradient : inputs) total = std::hypot(total, norm(gradient.data));
  outputs[0].data[0] = std::min(1.0, max_norm_ / (total + 1e-6));
}

void MovingAverageOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor>,
                                const StepScalars& step) const {
  const double decay = decay_at(step.update, decay_);
  Numbers& average = inputs[0].data;
  for (size_t i = 0; i < average.size(); ++i) average[i] = decay * average[i] + (1 - decay) * inputs[1].data[i];
}

void LookaheadOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor>,
                            const StepScalars& step) const {
  Numbers &value = inputs[0].data, &slow = inputs[1].data;
  const int64_t t = step.update + 1;
  if (t % every_ == 0) {
    const double progress = static_cast<double>(t) / static_cast<double>(step.updates);
    const double decay = std::pow(decay_, every_) * std::pow(progress, 3);
    for (size_t i = 0; i < slow.size(); ++i) slow[i] += (1 - decay) * (value[i] - slow[i]);
    value = slow;
  }
  if (t == step.updates) value = slow;
}

void AccumulateOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor>, const StepScalars&) const {
  Numbers& total = inputs[0].data;
  for (size_t i = 0; i < total.size(); ++i) total[i] += inputs[1].data[i];
}

void ClearOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor>, const StepScalars&) const {
  std::ranges::fill(inputs[0].data, 0.0);
}

}  // namespace convoy
