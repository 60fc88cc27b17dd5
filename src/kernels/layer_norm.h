// Layer norm over the channels of each row of [rows][channels] (Ba et al., arXiv 1607.06450):
//     output = (input - mean) / sqrt(variance + eps) * weight + bias
#pragma once

#include <cstdint>

namespace convoy::kernels {

struct LayerNormForward {
  int64_t rows, channels;
  float eps;
  const float *input, *weight, *bias;
  float* output;          // may be the input
  float *mean, *inv_std;  // out: [rows]
};

struct LayerNormBackward {
  int64_t rows, channels;
  const float *grad_output, *input, *mean, *inv_std, *weight;
  const float* addend;  // added to grad_input; null: none
  float* grad_input;    // may be grad_output, the input or addend
  float *grad_weight, *grad_bias;
  float* workspace;
};

struct LayerNormKernels {
  // Floats of workspace that backward needs.
  int64_t (*workspace)(int64_t rows, int64_t channels);
  void (*forward)(const LayerNormForward&);
  void (*backward)(const LayerNormBackward&);
};

const LayerNormKernels& layer_norm_kernels();

}  // namespace convoy::kernels
