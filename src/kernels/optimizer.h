// Kernels that update parameters in place, each in one pass.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convoy::kernels {

// torch.optim.SGD without dampening: g = grad_scale grad + weight_decay w; m = momentum m + g;
// w -= learning_rate (nesterov ? g + momentum m : m). Without momentum there is no m, and w -= learning_rate g.
struct SgdStep {
  float learning_rate, momentum, weight_decay, grad_scale;
  bool nesterov;
};

// torch.optim.Adam and AdamW at step t, counted from 1: w -= step_size m / (sqrt(v) inverse_root + epsilon) where
// step_size = learning_rate / (1 - beta1^t), inverse_root = 1 / sqrt(1 - beta2^t). `l2` is added to the gradient times
// w (Adam's weight decay); w is multiplied by `keep` first (AdamW: 1 - learning_rate weight_decay).
struct AdamStep {
  float step_size, inverse_root, beta1, beta2, epsilon, l2, keep, grad_scale;
};

// Elements whose squares a task of squared_norm sums.
inline constexpr int64_t kNormTile = 16384;
// Bytes of scratch for squared_norm.
size_t squared_norm_workspace(int64_t count);

struct OptimizerKernels {
  // momentum is the tensor m; null when step.momentum is 0.
  void (*sgd)(const SgdStep& step, int64_t count, const float* grad, float* weight, float* momentum);
  void (*adam)(const AdamStep& step, int64_t count, const float* grad, float* weight, float* first_moment,
               float* second_moment);
  // average = decay average + (1 - decay) value.
  void (*moving_average)(float decay, int64_t count, const float* value, float* average);
  // The sum of squares.
  double (*squared_norm)(int64_t count, const float* grad, std::byte* workspace);
};

const OptimizerKernels& optimizer_kernels();

}  // namespace convoy::kernels
