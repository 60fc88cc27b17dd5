// Batch norm over the pixels of a feature map [pixels][channels], fused with the residual add and the activation that
// follow it (Ioffe and Szegedy, arXiv 1502.03167):
//     output = activation((input - mean) * inv_std * weight + bias [+ residual])
#pragma once

#include <cstdint>

#include "convoy/activation.h"
#include "kernels/norm_tiles.h"

namespace convoy::kernels {

// Partial statistics are [tiles][2][channels]: of each tile of consecutive pixels (the last may be shorter) the sum,
// and the sum of squared deviations from the tile's own mean.
struct BatchNormStatistics {
  int64_t pixels, channels;
  const float* input;
  float* partials;  // out, in tiles of norm_tile_pixels(channels)
  float* workspace;
};

struct BatchNormMerge {
  int64_t pixels, channels;
  const float* partials;
  int64_t tile_pixels;
  float eps;
  float momentum;                     // running = (1 - momentum) * running + momentum * batch, the variance unbiased
  float *mean, *inv_std;              // out; inv_std = 1 / sqrt(biased variance + eps)
  float *running_mean, *running_var;  // updated; both null: none
};

struct BatchNormForward {
  int64_t pixels, channels;
  Activation activation;
  const float *input, *residual;  // residual null: none
  const float *mean, *inv_std, *weight, *bias;
  float* output;  // may be the input or the residual
  float* workspace;
};

struct BatchNormBackward {
  int64_t pixels, channels;
  Activation activation;
  bool frozen;  // the statistics were constants, not the batch's
  const float *grad_output, *input;
  // Where a residual was added before an activation, what its derivative comes from: the output for relu, relu6 and
  // leaky_relu, the residual for the others. Else null.
  const float* saved;
  const float *mean, *inv_std, *weight, *bias;
  const float* addend;   // added to grad_input; null: none
  float* grad_input;     // may be grad_output, unless grad_residual is, the input or addend
  float* grad_residual;  // where `saved` is given, else null; may be grad_output or `saved`
  float *grad_weight, *grad_bias;
  float* workspace;
};

struct BatchNormKernels {
  // Floats of workspace that any of the functions below needs.
  int64_t (*workspace)(int64_t pixels, int64_t channels);
  void (*statistics)(const BatchNormStatistics&);
  void (*merge)(const BatchNormMerge&);
  // The constants of inference in the form of the batch's: mean and inv_std from the running statistics.
  void (*frozen_statistics)(int64_t channels, float eps, const float* running_mean, const float* running_var,
                            float* mean, float* inv_std);
  void (*forward)(const BatchNormForward&);
  void (*backward)(const BatchNormBackward&);
};

const BatchNormKernels& batch_norm_kernels();

}  // namespace convoy::kernels
