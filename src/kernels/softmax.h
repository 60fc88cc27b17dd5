// Softmax over the last axis, and the cross entropy of its result.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convoy::kernels {

struct SoftmaxKernels {
  // output[r][c] = exp(input[r][c]) / sum over c; output may be input.
  void (*forward)(int64_t rows, int64_t classes, const float* input, float* output);
  // grad_input = output * (grad_output - sum over c of grad_output * output), given the forward's output; grad_input
  // may be grad_output.
  void (*backward)(int64_t rows, int64_t classes, const float* output, const float* grad_output, float* grad_input);
  // losses[n] = -sum over c of t'[n][c] log softmax(logits[n])[c], where t' = (1 - smoothing) targets + smoothing /
  // classes; *mean is their mean. Targets are any weights, one-hot or mixed.
  void (*cross_entropy)(int64_t samples, int64_t classes, float smoothing, const float* logits, const float* targets,
                        float* losses, float* mean);
  // grad_logits = *grad_mean / samples * (softmax(logits) sum(t') - t').
  void (*cross_entropy_backward)(int64_t samples, int64_t classes, float smoothing, const float* logits,
                                 const float* targets, const float* grad_mean, float* grad_logits);
};

const SoftmaxKernels& softmax_kernels();

}  // namespace convoy::kernels
