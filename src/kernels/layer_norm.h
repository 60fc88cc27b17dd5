// Layer norm over the channels of each row of [rows][channels] (Ba et al., arXiv 1607.06450):
//     output = (input - mean) / sqrt(variance + eps) * weight + bias
#pragma once

#include <cstdint>

#include "kernels/by_map.h"

namespace convoy::kernels {

template <class Map>
struct LayerNormForward {
  int64_t rows, channels;
  float eps;
  const Map* input;
  const float *weight, *bias;
  Map* output;            // may be the input
  float *mean, *inv_std;  // out: [rows]
};

template <class Map>
struct LayerNormBackward {
  int64_t rows, channels;
  const Map *grad_output, *input;
  const float *mean, *inv_std, *weight;
  const Map* addend;  // added to grad_input; null: none
  Map* grad_input;    // may be grad_output, the input or addend
  float *grad_weight, *grad_bias;
  float* workspace;
};

template <class Map>
struct LayerNormKernels {
  // Floats of workspace that backward needs.
  int64_t (*workspace)(int64_t rows, int64_t channels);
  void (*forward)(const LayerNormForward<Map>&);
  void (*backward)(const LayerNormBackward<Map>&);
};

const ByMap<LayerNormKernels>& layer_norm_kernels();

}  // namespace convoy::kernels
