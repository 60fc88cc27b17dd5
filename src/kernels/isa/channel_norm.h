// What the normalisation kernels share: tiles and their partial sums, and for batch norm and group norm the passes that
// apply a scale and a shift per channel, and their gradients.
#pragma once

#include "core/activation.h"
#include "core/parallel.h"
#include "kernels/isa/activation.h"
#include "kernels/isa/channel_sweep.h"

namespace convoy::kernels::CONVOY_ISA {

// Calls body(first_pixel, pixels, tile, worker) for every tile of the map.
template <class Body>
inline void for_tiles(int64_t pixels, int64_t tile_pixels, const Body& body, TaskOrder order = TaskOrder::forwards) {
  parallel_for(
      ceil_div(pixels, tile_pixels),
      [&](int64_t tile, int worker) {
        const int64_t first = tile * tile_pixels;
        body(first, smaller(tile_pixels, pixels - first), tile, worker);
        stream_end();
      },
      order);
}

// Adds up partial sums [tiles][2][channels], always in the same order, and calls body(channel, first, second).
template <class Body>
inline void merge_partials(const float* partials, int64_t tiles, int64_t channels, const Body& body) {
  parallel_for(ceil_div(channels, kChannelBlock), [&](int64_t task, int) {
    const int64_t begin = task * kChannelBlock, count = smaller(kChannelBlock, channels - begin);
    double first[kChannelBlock] = {}, second[kChannelBlock] = {};
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const float* partial = partials + tile * 2 * channels + begin;
      for (int64_t i = 0; i < count; ++i) {
        first[i] += static_cast<double>(partial[i]);
        second[i] += static_cast<double>(partial[channels + i]);
      }
    }
    for (int64_t i = 0; i < count; ++i) body(begin + i, first[i], second[i]);
  });
}

// activation(scale * input + shift): the forward pass, and the same bits again in the backward pass.
template <class Register>
inline Register normalise(Register input, Register scale, Register shift) {
  return fma(input, scale, shift);
}

inline void spread_scale(const Fold& fold, const float* mean, const float* inv_std, const float* weight,
                         const float* bias, float* scale, float* shift) {
  for (int64_t c = 0; c < fold.channels; ++c) {
    const double s = static_cast<double>(weight[c]) * static_cast<double>(inv_std[c]);
    scale[c] = static_cast<float>(s);
    shift[c] = static_cast<float>(static_cast<double>(bias[c]) - static_cast<double>(mean[c]) * s);
  }
  spread(fold, scale, scale);
  spread(fold, shift, shift);
}

template <Activation kActivation, bool kResidual, class Map>
struct Apply {
  const Map *input, *residual;
  const float *scale, *shift;
  Map* output;

  template <int kRows, class Part>
  void run(int64_t offset, int64_t stride, int64_t column, Part part) const {
    const auto s = part.load(scale + column), t = part.load(shift + column);
    for (int row = 0; row < kRows; ++row, offset += stride) {
      auto y = normalise(part.load(input + offset), s, t);
      if constexpr (kResidual) y = y + part.load(residual + offset);
      part.store(output + offset, activate<kActivation, Map>(y));
    }
  }
};

// The constants of a row and the sums of the backward pass. With g the gradient before the activation and n pixels,
// grad_input = scale * (g - sum(g) / n - xhat * sum(g * xhat) / n) = scale * g + slope * (input - mean) + constant.
struct BackwardRow {
  float *scale, *shift, *mean, *slope, *constant;
};

// Sums of g and of g * (input - mean). kResidual: one was added, so that the activation's derivative takes `saved`, the
// output or the residual, and g is written to grad_residual.
template <Activation kActivation, bool kResidual, class Map>
struct GradSums {
  const Map *grad_output, *input, *saved;
  BackwardRow row;
  Map* grad_residual;
  float *sum, *products;
  int64_t ahead;

  template <int kRows, class Part>
  void run(int64_t offset, int64_t stride, int64_t column, Part part) const {
    const Vec scale = load(row.scale + column), shift = load(row.shift + column), mean = load(row.mean + column);
    Vec s = zero(), p = zero();
    for (int r = 0; r < kRows; ++r, offset += stride) {
      __builtin_prefetch(input + offset + ahead);
      __builtin_prefetch(grad_output + offset + ahead);
      const Vec x = part.load(input + offset);
      Vec pre = normalise(x, scale, shift);
      if constexpr (kResidual && derivative_from_output(kActivation)) {
        pre = part.load(saved + offset);
      } else if constexpr (kResidual) {
        pre = pre + part.load(saved + offset);
      }
      const Vec g = part.load(grad_output + offset) * activate_grad<kActivation, Map>(pre);
      if constexpr (kResidual) part.store(grad_residual + offset, g);
      s = s + g;
      p = fma(g, x - mean, p);
    }
    part.store(sum + column, load(sum + column) + s);
    part.store(products + column, load(products + column) + p);
  }
};

template <Activation kActivation, class Map>
struct GradApply {
  const Map *grad_output, *input, *addend;
  BackwardRow row;
  Map* grad_input;

  template <int kRows, class Part>
  void run(int64_t offset, int64_t stride, int64_t column, Part part) const {
    const auto scale = part.load(row.scale + column), shift = part.load(row.shift + column);
    const auto mean = part.load(row.mean + column), slope = part.load(row.slope + column);
    const auto constant = part.load(row.constant + column);
    for (int r = 0; r < kRows; ++r, offset += stride) {
      const auto x = part.load(input + offset);
      const auto g = part.load(grad_output + offset) * activate_grad<kActivation, Map>(normalise(x, scale, shift));
      auto grad = fma(g, scale, fma(x - mean, slope, constant));
      if (addend != nullptr) grad = grad + part.load(addend + offset);
      part.store(grad_input + offset, grad);
    }
  }
};

// One tile's sums [2][channels].
template <class Sums>
inline void tile_grad_sums(const Fold& fold, int64_t first, int64_t count, Sums sums, float* partial) {
  for (int64_t column = 0; column < fold.padded; ++column) sums.sum[column] = sums.products[column] = 0.0F;
  sweep(fold, first, count, sums);
  for (int64_t begin = 0; begin < fold.channels; begin += kChannelBlock) {
    const int64_t block = smaller(kChannelBlock, fold.channels - begin);
    double sum[kChannelBlock] = {}, products[kChannelBlock] = {};
    for (int64_t column = begin; column < fold.width; column += fold.channels) {
      for (int64_t c = 0; c < block; ++c) {
        sum[c] += static_cast<double>(sums.sum[column + c]);
        products[c] += static_cast<double>(sums.products[column + c]);
      }
    }
    for (int64_t c = 0; c < block; ++c) {
      partial[begin + c] = static_cast<float>(sum[c]);
      partial[fold.channels + begin + c] = static_cast<float>(products[c]);
    }
  }
}

}  // namespace convoy::kernels::CONVOY_ISA
