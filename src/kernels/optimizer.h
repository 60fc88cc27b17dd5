// Kernels that update parameters in place, each in one pass.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convoy::kernels {

// torch.optim.SGD without dampening: g = grad_scale grad + l2 w; m = momentum m + g;
// w = keep w - learning_rate (nesterov ? g + momentum m : m). Without momentum there is no m: w = keep w -
// learning_rate g.
struct SgdStep {
  float learning_rate, momentum, l2, grad_scale;
  bool nesterov;
  float keep = 1;
};

// torch.optim.Adam and AdamW at step t, counted from 1: w -= step_size m / (sqrt(v) inverse_root + epsilon) where
// step_size = learning_rate / (1 - beta1^t), inverse_root = 1 / sqrt(1 - beta2^t). `l2` is added to the gradient times
// w (Adam's weight decay); w is multiplied by `keep` first (AdamW: 1 - learning_rate weight_decay).
struct AdamStep {
  float step_size, inverse_root, beta1, beta2, epsilon, l2, keep, grad_scale;
};

// g = grad_scale grad + l2 w; v = alpha v + (1 - alpha) g^2; d = g / (sqrt(v) + epsilon), or g / sqrt(v + epsilon)
// where epsilon_inside. With momentum b = momentum b + inner_rate d and w = keep w - outer_rate b; without, there is no
// b: w = keep w - inner_rate outer_rate d. torch.optim.RMSprop has the learning rate outside, TensorFlow and timm's
// RMSpropTF inside.
struct RmspropStep {
  float inner_rate, outer_rate, alpha, epsilon, momentum, l2, keep, grad_scale;
  bool epsilon_inside;
};

// Lion (Chen et al., arXiv 2302.06675): w = keep w - learning_rate sign(beta1 m + (1 - beta1) g);
// m = beta2 m + (1 - beta2) g.
struct LionStep {
  float learning_rate, beta1, beta2, keep, grad_scale;
};

// Of LAMB (You et al., arXiv 1904.00962): m and v as Adam's, and the direction
// inverse_first m / (sqrt(v) inverse_root + epsilon) + decay w.
struct LambStep {
  float beta1, beta2, inverse_first, inverse_root, epsilon, decay, grad_scale;
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
  // momentum is the tensor b; null when step.momentum is 0.
  void (*rmsprop)(const RmspropStep& step, int64_t count, const float* grad, float* weight, float* second_moment,
                  float* momentum);
  void (*lion)(const LionStep& step, int64_t count, const float* grad, float* weight, float* moment);
  void (*lamb)(const LambStep& step, int64_t count, const float* grad, const float* weight, float* first_moment,
               float* second_moment, float* direction);
  // output = a x + b y; output may be x or y.
  void (*combine)(int64_t count, float a, const float* x, float b, const float* y, float* output);
  // average = decay average + (1 - decay) value.
  void (*moving_average)(float decay, int64_t count, const float* value, float* average);
  // The sum of squares.
  double (*squared_norm)(int64_t count, const float* grad, std::byte* workspace);
};

const OptimizerKernels& optimizer_kernels();

}  // namespace convoy::kernels
