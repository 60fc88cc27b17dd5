// Batch norm over the pixels of a feature map [pixels][channels], fused with the residual add and the activation that
// follow it (Ioffe and Szegedy, arXiv 1502.03167):
//     output = activation((input - mean) * inv_std * weight + bias [+ residual])
#pragma once

#include <cstdint>

#include "convoy/activation.h"
#include "kernels/by_map.h"
#include "kernels/norm_tiles.h"

namespace convoy::kernels {

// How sums over the pixels of one rank become those over all ranks' (core/world.h); a channel's constants are then the
// same on all.
struct SumOverRanks {
  void (*sum)(void* world, double* values, int64_t count) = nullptr;  // null: there are no others
  void* world = nullptr;
  double* values = nullptr;  // memory for 2 * channels + 1
};

// Partial statistics are [tiles][2][channels]: of each tile of consecutive pixels (the last may be shorter) the sum,
// and the sum of squared deviations from the tile's own mean.
template <class Map>
struct BatchNormStatistics {
  int64_t pixels, channels;
  const Map* input;
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
  SumOverRanks over_ranks = {};
};

template <class Map>
struct BatchNormForward {
  int64_t pixels, channels;
  Activation activation;
  const Map *input, *residual;  // residual null: none
  const float *mean, *inv_std, *weight, *bias;
  Map* output;  // may be the input or the residual
  float* workspace;
};

template <class Map>
struct BatchNormBackward {
  int64_t pixels, channels;
  Activation activation;
  bool frozen;  // the statistics were constants, not the batch's
  const Map *grad_output, *input;
  // Where a residual was added before an activation, what its derivative comes from: the output for relu, relu6 and
  // leaky_relu, the residual for the others. Else null.
  const Map* saved;
  const float *mean, *inv_std, *weight, *bias;
  const Map* addend;               // added to grad_input; null: none
  Map* grad_input;                 // may be grad_output, unless grad_residual is, the input or addend
  Map* grad_residual;              // where `saved` is given, else null; may be grad_output or `saved`
  float *grad_weight, *grad_bias;  // of this rank's pixels
  float* workspace;
  SumOverRanks over_ranks = {};
};

template <class Map>
struct BatchNormKernels {
  // Floats of workspace that any of the functions below needs.
  int64_t (*workspace)(int64_t pixels, int64_t channels);
  void (*statistics)(const BatchNormStatistics<Map>&);
  void (*merge)(const BatchNormMerge&);
  // The constants of inference in the form of the batch's: mean and inv_std from the running statistics.
  void (*frozen_statistics)(int64_t channels, float eps, const float* running_mean, const float* running_var,
                            float* mean, float* inv_std);
  void (*forward)(const BatchNormForward<Map>&);
  void (*backward)(const BatchNormBackward<Map>&);
};

const ByMap<BatchNormKernels>& batch_norm_kernels();

}  // namespace convoy::kernels
