// Group norm of feature maps [samples][pixels][channels]: each sample is normalised over its pixels and the channels
// of a group (Wu and He, arXiv 1803.08494):
//     output = (input - mean) / sqrt(variance + eps) * weight + bias
#pragma once

#include <cstdint>

namespace convoy::kernels {

struct GroupNormShape {
  int64_t samples, pixels, channels;
  int64_t groups;  // divides channels
};

struct GroupNormForward {
  GroupNormShape shape;
  float eps;
  const float *input, *weight, *bias;
  float* output;          // may be the input
  float *mean, *inv_std;  // out: [samples][groups]
  float* workspace;
};

struct GroupNormBackward {
  GroupNormShape shape;
  const float *grad_output, *input, *mean, *inv_std, *weight;
  const float* addend;  // added to grad_input; null: none
  float* grad_input;    // may be grad_output, the input or addend
  float *grad_weight, *grad_bias;
  float* workspace;
};

struct GroupNormKernels {
  // Floats of workspace that either function needs.
  int64_t (*workspace)(const GroupNormShape&);
  void (*forward)(const GroupNormForward&);
  void (*backward)(const GroupNormBackward&);
};

const GroupNormKernels& group_norm_kernels();

}  // namespace convoy::kernels
