#include "kernels/batch_norm.h"

#include "kernels/isa/channel_norm.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Per-worker sums, the partial sums of every tile, and the constants of a row.
int64_t workspace(int64_t pixels, int64_t channels) {
  const Fold fold = fold_channels(channels);
  const int64_t partials = ceil_div(pixels, norm_tile_pixels(channels)) * 2 * channels;
  return thread_count() * moments_scratch(fold) + 5 * fold.padded + partials;
}

template <class Map>
void statistics(const BatchNormStatistics<Map>& args) {
  const Fold fold = fold_channels(args.channels);
  for_tiles(args.pixels, norm_tile_pixels(args.channels), [&](int64_t first, int64_t count, int64_t tile, int worker) {
    tile_moments(fold, args.input, first, count, args.partials + tile * 2 * args.channels,
                 args.workspace + worker * moments_scratch(fold));
  });
}

// Mean and sum of squared deviations of `count` channels over all tiles:
// sum (x - mean)^2 = sum over tiles of (deviations from the tile's mean + pixels * (tile's mean - mean)^2).
void merge_channels(const BatchNormMerge& args, int64_t channel, int64_t count, double* mean, double* deviations) {
  const int64_t tiles = ceil_div(args.pixels, args.tile_pixels);
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

// The constants of a channel of `pixels` values, and what they change in its running statistics.
void settle(const BatchNormMerge& args, int64_t channel, double pixels, double mean, double deviations) {
  args.mean[channel] = static_cast<float>(mean);
  args.inv_std[channel] = static_cast<float>(1.0 / __builtin_sqrt(deviations / pixels + static_cast<double>(args.eps)));
  if (args.running_mean == nullptr) return;
  const double unbiased = deviations / larger(pixels - 1.0, 1.0), momentum = static_cast<double>(args.momentum);
  const auto follow = [&](float& running, double value) {
    running = static_cast<float>((1.0 - momentum) * static_cast<double>(running) + momentum * value);
  };
  follow(args.running_mean[channel], mean);
  follow(args.running_var[channel], unbiased);
}

// From sums and sums of squares, in which ranks can be added: in double precision the difference of the latter and the
// squared mean has digits enough.
void merge_over_ranks(const BatchNormMerge& args) {
  const SumOverRanks& ranks = args.over_ranks;
  const double own_pixels = static_cast<double>(args.pixels);
  double *sums = ranks.values, *squares = sums + args.channels, *all_pixels = squares + args.channels;
  parallel_for(ceil_div(args.channels, kChannelBlock), [&](int64_t task, int) {
    const int64_t first = task * kChannelBlock, count = smaller(kChannelBlock, args.channels - first);
    double mean[kChannelBlock], deviations[kChannelBlock];
    merge_channels(args, first, count, mean, deviations);
    for (int64_t i = 0; i < count; ++i) {
      sums[first + i] = mean[i] * own_pixels;
      squares[first + i] = deviations[i] + mean[i] * mean[i] * own_pixels;
    }
  });
  *all_pixels = own_pixels;
  ranks.sum(ranks.world, ranks.values, 2 * args.channels + 1);
  for (int64_t c = 0; c < args.channels; ++c) {
    const double mean = sums[c] / *all_pixels;
    settle(args, c, *all_pixels, mean, larger(squares[c] - mean * sums[c], 0.0));
  }
}

void merge(const BatchNormMerge& args) {
  if (args.over_ranks.sum != nullptr) return merge_over_ranks(args);
  parallel_for(ceil_div(args.channels, kChannelBlock), [&](int64_t task, int) {
    const int64_t first = task * kChannelBlock, count = smaller(kChannelBlock, args.channels - first);
    double mean[kChannelBlock], deviations[kChannelBlock];
    merge_channels(args, first, count, mean, deviations);
    for (int64_t i = 0; i < count; ++i) {
      settle(args, first + i, static_cast<double>(args.pixels), mean[i], deviations[i]);
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

template <class Map>
void forward(const BatchNormForward<Map>& args) {
  const Fold fold = fold_channels(args.channels);
  float *scale = args.workspace, *shift = scale + fold.padded;
  spread_scale(fold, args.mean, args.inv_std, args.weight, args.bias, scale, shift);
  with_activation(args.activation, [&](auto tag) {
    constexpr Activation kActivation = decltype(tag)::value;
    const bool streamed = streams_rows(args.pixels * args.channels, fold.width, args.output, args.input, args.residual);
    for_tiles(args.pixels, norm_tile_pixels(args.channels), [&](int64_t first, int64_t count, int64_t, int) {
      if (args.residual != nullptr) {
        sweep(fold, first, count, streamed,
              Apply<kActivation, true, Map>{args.input, args.residual, scale, shift, args.output});
      } else {
        sweep(fold, first, count, streamed,
              Apply<kActivation, false, Map>{args.input, nullptr, scale, shift, args.output});
      }
    });
  });
}

// Adds up the tiles, gives the gradients of weight and bias and the constants of grad_input's pass [channels].
template <class Map>
void merge_grad_sums(const BatchNormBackward<Map>& args, const float* partials, const BackwardRow& row) {
  const int64_t tiles = ceil_div(args.pixels, norm_tile_pixels(args.channels));
  const auto give_constants = [&](int64_t c, double pixels, double sum, double products) {
    const double share = args.frozen ? 0.0 : 1.0 / pixels;
    const double inv_std = static_cast<double>(args.inv_std[c]);
    const double scale = static_cast<double>(args.weight[c]) * inv_std;
    row.slope[c] = static_cast<float>(-scale * inv_std * inv_std * products * share);
    row.constant[c] = static_cast<float>(-scale * sum * share);
  };
  const SumOverRanks& ranks = args.over_ranks;
  double *sums = ranks.values, *all_products = sums + args.channels, *all_pixels = all_products + args.channels;
  merge_partials(partials, tiles, args.channels, [&](int64_t c, double sum, double products) {
    args.grad_bias[c] = static_cast<float>(sum);
    args.grad_weight[c] = static_cast<float>(products * static_cast<double>(args.inv_std[c]));
    if (ranks.sum == nullptr) return give_constants(c, static_cast<double>(args.pixels), sum, products);
    sums[c] = sum;
    all_products[c] = products;
  });
  if (ranks.sum == nullptr) return;
  *all_pixels = static_cast<double>(args.pixels);
  ranks.sum(ranks.world, ranks.values, 2 * args.channels + 1);
  for (int64_t c = 0; c < args.channels; ++c) give_constants(c, *all_pixels, sums[c], all_products[c]);
}

template <Activation kActivation, bool kResidual, class Map>
void backward_with(const BatchNormBackward<Map>& args) {
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
    const GradSums<kActivation, kResidual, Map> sums = {args.grad_output,   args.input, args.saved,        row,
                                                        args.grad_residual, sum,        sum + fold.padded, fold.ahead};
    tile_grad_sums(fold, first, count, sums, partials + tile * 2 * args.channels);
  });
  merge_grad_sums(args, partials, row);
  spread(fold, row.slope, row.slope);
  spread(fold, row.constant, row.constant);
  constexpr Activation kApplied = kResidual ? Activation::none : kActivation;
  const Map* grad = kResidual ? args.grad_residual : args.grad_output;
  const GradApply<kApplied, Map> apply = {grad, args.input, args.addend, row, args.grad_input};
  const bool streamed =
      streams_rows(args.pixels * args.channels, fold.width, args.grad_input, grad, args.input, args.addend);
  for_tiles(
      args.pixels, tile_pixels,
      [&](int64_t first, int64_t count, int64_t, int) { sweep(fold, first, count, streamed, apply); },
      TaskOrder::backwards);
}

template <class Map>
void backward(const BatchNormBackward<Map>& args) {
  with_activation(args.activation, [&](auto tag) {
    constexpr Activation kActivation = decltype(tag)::value;
    if (kActivation != Activation::none && args.saved != nullptr) {
      backward_with<kActivation, true>(args);
    } else {
      backward_with<kActivation, false>(args);
    }
  });
}

}  // namespace

const ByMap<BatchNormKernels>& batch_norm_kernels() {
  static constexpr ByMap<BatchNormKernels> kKernels = {
      {workspace, statistics<float>, merge, frozen_statistics, forward<float>, backward<float>},
      {workspace, statistics<Bf16>, merge, frozen_statistics, forward<Bf16>, backward<Bf16>}};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
