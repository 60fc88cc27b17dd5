#include "kernels/batch_norm.h"

#include "core/parallel.h"
#include "kernels/isa/activation.h"
#include "kernels/isa/channel_sweep.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Channels that a task of a merge takes.
constexpr int64_t kMergeChannels = 32;

int64_t tiles_of(int64_t pixels, int64_t tile_pixels) { return ceil_div(pixels, tile_pixels); }

// Calls body(first_pixel, pixels, tile, worker) for every tile of the map.
template <class Body>
void for_tiles(int64_t pixels, int64_t tile_pixels, const Body& body) {
  parallel_for(tiles_of(pixels, tile_pixels), [&](int64_t tile, int worker) {
    const int64_t first = tile * tile_pixels;
    body(first, smaller(tile_pixels, pixels - first), tile, worker);
  });
}

// Per-worker sums, the partial sums of every tile, and the constants of a row.
size_t workspace(int64_t pixels, int64_t channels) {
  const Fold fold = fold_channels(channels);
  const int64_t partials = tiles_of(pixels, norm_tile_pixels(channels)) * 2 * channels;
  return static_cast<size_t>(thread_count() * moments_scratch(fold) + 5 * fold.padded + partials);
}

void statistics(const BatchNormStatistics& args) {
  const Fold fold = fold_channels(args.channels);
  for_tiles(args.pixels, norm_tile_pixels(args.channels), [&](int64_t first, int64_t count, int64_t tile, int worker) {
    tile_moments(fold, args.input, first, count, args.partials + tile * 2 * args.channels,
                 args.workspace + worker * moments_scratch(fold));
  });
}

// Mean and sum of squared deviations of `count` channels over all tiles:
// sum (x - mean)^2 = sum over tiles of (deviations from the tile's mean + pixels * (tile's mean - mean)^2).
void merge_channels(const BatchNormMerge& args, int64_t channel, int64_t count, double* mean, double* deviations) {
  const int64_t tiles = tiles_of(args.pixels, args.tile_pixels);
  for (int64_t c = 0; c < count; ++c) mean[c] = deviations[c] = 0;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const float* sum = args.partials + tile * 2 * args.channels + channel;
    for (int64_t c = 0; c < count; ++c) mean[c] += static_cast<double>(sum[c]);
  }
  for (int64_t c = 0; c < count; ++c) mean[c] /= static_cast<double>(args.pixels);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const float* sum = args.partials + tile * 2 * args.channels + channel;
    const double pixels = static_cast<double>(smaller(args.tile_pixels, args.pixels - tile * args.tile_pixels));
    const double inverse = 1.0 / pixels;
    for (int64_t c = 0; c < count; ++c) {
      const double offset = static_cast<double>(sum[c]) * inverse - mean[c];
      deviations[c] += static_cast<double>(sum[args.channels + c]) + pixels * offset * offset;
    }
  }
}

void merge(const BatchNormMerge& args) {
  parallel_for(ceil_div(args.channels, kMergeChannels), [&](int64_t task, int) {
    const int64_t first = task * kMergeChannels, count = smaller(kMergeChannels, args.channels - first);
    double mean[kMergeChannels], deviations[kMergeChannels];
    merge_channels(args, first, count, mean, deviations);
    const double pixels = static_cast<double>(args.pixels), momentum = static_cast<double>(args.momentum);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t c = first + i;
      args.mean[c] = static_cast<float>(mean[i]);
      args.inv_std[c] =
          static_cast<float>(1.0 / __builtin_sqrt(deviations[i] / pixels + static_cast<double>(args.eps)));
      if (args.running_mean == nullptr) continue;
      const double unbiased = deviations[i] / larger(pixels - 1.0, 1.0);
      args.running_mean[c] =
          static_cast<float>((1.0 - momentum) * static_cast<double>(args.running_mean[c]) + momentum * mean[i]);
      args.running_var[c] =
          static_cast<float>((1.0 - momentum) * static_cast<double>(args.running_var[c]) + momentum * unbiased);
    }
  });
}

void frozen_statistics(int64_t channels, float eps, const float* running_mean, const float* running_var, float* mean,
                       float* inv_std) {
  for (int64_t c = 0; c < channels; ++c) {
    mean[c] = running_mean[c];
    inv_std[c] =
        static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(running_var[c]) + static_cast<double>(eps)));
  }
}

// activation(scale * input + shift): the forward pass, and the same bits again in the backward pass.
inline Vec normalise(Vec input, Vec scale, Vec shift) { return fma(input, scale, shift); }

void spread_scale(const Fold& fold, const float* mean, const float* inv_std, const float* weight, const float* bias,
                  float* scale, float* shift) {
  for (int64_t c = 0; c < fold.channels; ++c) {
    const double s = static_cast<double>(weight[c]) * static_cast<double>(inv_std[c]);
    scale[c] = static_cast<float>(s);
    shift[c] = static_cast<float>(static_cast<double>(bias[c]) - static_cast<double>(mean[c]) * s);
  }
  spread(fold, scale, scale);
  spread(fold, shift, shift);
}

template <Activation kActivation, bool kResidual>
struct Apply {
  const float *input, *residual, *scale, *shift;
  float* output;

  template <int kRows, class Lanes>
  void run(int64_t offset, int64_t stride, int64_t column, Lanes lanes) const {
    const Vec s = load(scale + column), t = load(shift + column);
    for (int row = 0; row < kRows; ++row, offset += stride) {
      Vec y = normalise(lanes.load(input + offset), s, t);
      if constexpr (kResidual) y = y + lanes.load(residual + offset);
      lanes.store(output + offset, activate<kActivation>(y));
    }
  }
};

void forward(const BatchNormForward& args) {
  const Fold fold = fold_channels(args.channels);
  float *scale = args.workspace, *shift = scale + fold.padded;
  spread_scale(fold, args.mean, args.inv_std, args.weight, args.bias, scale, shift);
  with_activation(args.activation, [&](auto tag) {
    constexpr Activation kActivation = decltype(tag)::value;
    for_tiles(args.pixels, norm_tile_pixels(args.channels), [&](int64_t first, int64_t count, int64_t, int) {
      if (args.residual != nullptr) {
        sweep(fold, first, count, Apply<kActivation, true>{args.input, args.residual, scale, shift, args.output});
      } else {
        sweep(fold, first, count, Apply<kActivation, false>{args.input, nullptr, scale, shift, args.output});
      }
    });
  });
}

// The constants of a row and the sums of the backward pass. With g the gradient before the activation and n pixels,
// grad_input = scale * (g - sum(g) / n - xhat * sum(g * xhat) / n) = scale * g + slope * (input - mean) + constant.
struct BackwardRow {
  float *scale, *shift, *mean, *slope, *constant;
};

// Sums of g and of g * (input - mean). kFromOutput: a residual was added, so that the activation's derivative comes
// from the output, and g is written to grad_residual.
template <Activation kActivation, bool kFromOutput>
struct GradSums {
  const float *grad_output, *input, *output;
  BackwardRow row;
  float *grad_residual, *sum, *products;

  template <int kRows, class Lanes>
  void run(int64_t offset, int64_t stride, int64_t column, Lanes lanes) const {
    const Vec scale = load(row.scale + column), shift = load(row.shift + column), mean = load(row.mean + column);
    Vec s = zero(), p = zero();
    for (int r = 0; r < kRows; ++r, offset += stride) {
      const Vec x = lanes.load(input + offset);
      Vec pre = x;
      if constexpr (kFromOutput) {
        pre = lanes.load(output + offset);
      } else {
        pre = normalise(x, scale, shift);
      }
      const Vec g = lanes.load(grad_output + offset) * activate_grad<kActivation>(pre);
      if constexpr (kFromOutput) lanes.store(grad_residual + offset, g);
      s = s + g;
      p = fma(g, x - mean, p);
    }
    lanes.store(sum + column, load(sum + column) + s);
    lanes.store(products + column, load(products + column) + p);
  }
};

template <Activation kActivation>
struct GradApply {
  const float *grad_output, *input;
  BackwardRow row;
  float* grad_input;

  template <int kRows, class Lanes>
  void run(int64_t offset, int64_t stride, int64_t column, Lanes lanes) const {
    const Vec scale = load(row.scale + column), shift = load(row.shift + column), mean = load(row.mean + column);
    const Vec slope = load(row.slope + column), constant = load(row.constant + column);
    for (int r = 0; r < kRows; ++r, offset += stride) {
      const Vec x = lanes.load(input + offset);
      const Vec g = lanes.load(grad_output + offset) * activate_grad<kActivation>(normalise(x, scale, shift));
      lanes.store(grad_input + offset, fma(g, scale, fma(x - mean, slope, constant)));
    }
  }
};

// One tile's sums [2][channels].
template <class Sums>
void tile_grad_sums(const Fold& fold, int64_t first, int64_t count, Sums sums, float* partial) {
  for (int64_t column = 0; column < fold.padded; ++column) sums.sum[column] = sums.products[column] = 0.0F;
  sweep(fold, first, count, sums);
  for (int64_t c = 0; c < fold.channels; ++c) {
    double sum = 0, products = 0;
    for (int64_t column = c; column < fold.width; column += fold.channels) {
      sum += static_cast<double>(sums.sum[column]);
      products += static_cast<double>(sums.products[column]);
    }
    partial[c] = static_cast<float>(sum);
    partial[fold.channels + c] = static_cast<float>(products);
  }
}

// Adds up the tiles, gives the gradients of weight and bias and the constants of grad_input's pass [channels].
void merge_grad_sums(const BatchNormBackward& args, const float* partials, const BackwardRow& row) {
  const int64_t channels = args.channels, tiles = tiles_of(args.pixels, norm_tile_pixels(channels));
  parallel_for(ceil_div(channels, kMergeChannels), [&](int64_t task, int) {
    const int64_t first = task * kMergeChannels, count = smaller(kMergeChannels, channels - first);
    double sum[kMergeChannels] = {}, products[kMergeChannels] = {};
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const float* partial = partials + tile * 2 * channels + first;
      for (int64_t i = 0; i < count; ++i) {
        sum[i] += static_cast<double>(partial[i]);
        products[i] += static_cast<double>(partial[channels + i]);
      }
    }
    const double share = args.frozen ? 0.0 : 1.0 / static_cast<double>(args.pixels);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t c = first + i;
      const double inv_std = static_cast<double>(args.inv_std[c]);
      const double scale = static_cast<double>(args.weight[c]) * inv_std;
      args.grad_bias[c] = static_cast<float>(sum[i]);
      args.grad_weight[c] = static_cast<float>(products[i] * inv_std);
      row.slope[c] = static_cast<float>(-scale * inv_std * inv_std * products[i] * share);
      row.constant[c] = static_cast<float>(-scale * sum[i] * share);
    }
  });
}

template <Activation kActivation, bool kFromOutput>
void backward_with(const BatchNormBackward& args) {
  const Fold fold = fold_channels(args.channels);
  const int64_t tile_pixels = norm_tile_pixels(args.channels);
  float* next = args.workspace;
  const auto take = [&](int64_t floats) {
    float* taken = next;
    next += floats;
    return taken;
  };
  const BackwardRow row = {take(fold.padded), take(fold.padded), take(fold.padded), take(fold.padded),
                           take(fold.padded)};
  float* scratch = take(thread_count() * moments_scratch(fold));
  float* partials = next;
  spread_scale(fold, args.mean, args.inv_std, args.weight, args.bias, row.scale, row.shift);
  spread(fold, args.mean, row.mean);
  for_tiles(args.pixels, tile_pixels, [&](int64_t first, int64_t count, int64_t tile, int worker) {
    float* sum = scratch + worker * moments_scratch(fold);
    const GradSums<kActivation, kFromOutput> sums = {args.grad_output,   args.input, args.output,      row,
                                                     args.grad_residual, sum,        sum + fold.padded};
    tile_grad_sums(fold, first, count, sums, partials + tile * 2 * args.channels);
  });
  merge_grad_sums(args, partials, row);
  spread(fold, row.slope, row.slope);
  spread(fold, row.constant, row.constant);
  for_tiles(args.pixels, tile_pixels, [&](int64_t first, int64_t count, int64_t, int) {
    if constexpr (kFromOutput) {
      sweep(fold, first, count, GradApply<Activation::none>{args.grad_residual, args.input, row, args.grad_input});
    } else {
      sweep(fold, first, count, GradApply<kActivation>{args.grad_output, args.input, row, args.grad_input});
    }
  });
}

void backward(const BatchNormBackward& args) {
  if (args.output == nullptr || args.activation == Activation::none) {
    with_activation(args.activation, [&](auto tag) { backward_with<decltype(tag)::value, false>(args); });
  } else if (args.activation == Activation::relu) {
    backward_with<Activation::relu, true>(args);
  } else {
    backward_with<Activation::relu6, true>(args);
  }
}

}  // namespace

const BatchNormKernels& batch_norm_kernels() {
  static constexpr BatchNormKernels kKernels = {workspace, statistics, merge, frozen_statistics, forward, backward};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
