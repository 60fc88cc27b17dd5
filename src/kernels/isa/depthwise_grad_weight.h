// Depthwise weight gradient: partial sums over a fixed cut of the output rows, added up in a fixed order.
#pragma once

#include "core/parallel.h"
#include "kernels/isa/depthwise_correlate.h"
#include "kernels/isa/depthwise_sweep.h"

namespace convoy::kernels::CONVOY_ISA {

// A chunk, summed by one task for some channels, has at least this many output pixels; there are at most kMaxChunks.
inline constexpr int64_t kChunkPixels = 2048;
inline constexpr int64_t kMaxChunks = 256;

struct WeightGradient {
  explicit WeightGradient(const ConvGeometry& geometry)
      : g(geometry),
        rows(g.batch * g.out_h),
        taps(g.kernel_h * g.kernel_w),
        vertical(axis_of(vertical_axis(g, false), 0)),
        horizontal(axis_of(horizontal_axis(g, false), 0)) {}

  const ConvGeometry& g;
  int64_t rows, taps;
  Axis vertical, horizontal;

  int64_t chunk_rows() const { return larger(ceil_div(kChunkPixels, g.out_w), ceil_div(rows, kMaxChunks)); }
  int64_t chunks() const { return ceil_div(rows, chunk_rows()); }
  // Partial sums of one chunk: for each block of channels [kernel_h * kernel_w + 1][channels of the block], the last
  // row for the bias.
  int64_t chunk_floats() const { return (taps + 1) * g.out_c; }
  int64_t sums_floats() const { return chunks() * chunk_floats(); }

  // Rows, and columns at least in each, that are swept over for some channels before the next channels' turn. A small
  // kernel takes a piece of one row: it is as fast as memory if that is read in order.
  int64_t unit_rows() const { return taps > kSmallKernel ? block_rows(g.out_w) : 1; }
  int64_t unit_columns() const {
    constexpr int64_t kFloats = 2048;
    return taps > kSmallKernel ? g.out_w : ceil_div(kFloats, g.out_c);
  }

  // As in Correlation: whether the images of a unit are first copied, a few channels next to each other.
  bool packed() const {
    constexpr int64_t kMaxPixels = 4096;
    return taps > kSmallKernel && larger(g.in_h * g.in_w, g.out_h * g.out_w) <= kMaxPixels;
  }
  int64_t channel_block() const { return packed() ? kLanes : kMaxChannelBlock; }
  int64_t unit_images() const { return (unit_rows() - 1) / g.out_h + 2; }
  int64_t packed_input_floats() const { return packed() ? unit_images() * g.in_h * g.in_w * channel_block() : 0; }
  int64_t packed_grad_floats() const { return packed() ? unit_images() * g.out_h * g.out_w * channel_block() : 0; }
  int64_t scratch_floats() const { return packed_input_floats() + packed_grad_floats(); }
};

// As ConvGradWeightArgs, with its workspace in floats.
template <class Map>
struct MapGradients {
  const Map *input, *grad_output;
  float *grad_weight, *grad_bias, *workspace;
};

template <bool kPartial, class Map>
inline void add_pixels(const Map* pixel, int64_t pixels, int64_t step, int lanes, float* sum) {
  Vec sums[4] = {load_lanes<kPartial>(sum, lanes), zero(), zero(), zero()};
  int64_t p = 0;
  for (; p + 4 <= pixels; p += 4) {
    unroll<0, 4>([&](auto i) { sums[i] = sums[i] + load_lanes<kPartial>(pixel + (p + i) * step, lanes); });
  }
  for (; p < pixels; ++p) sums[0] = sums[0] + load_lanes<kPartial>(pixel + p * step, lanes);
  store_lanes<kPartial>(sum, (sums[0] + sums[1]) + (sums[2] + sums[3]), lanes);
}

// sums[c] += the sum over pixels `step` elements apart.
template <class Map>
[[gnu::flatten]] inline void add_pixels(const Map* pixel, int64_t pixels, int64_t step, int64_t channels, float* sums) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) add_pixels<false>(pixel + c, pixels, step, kLanes, sums + c);
  if (c < channels) add_pixels<true>(pixel + c, pixels, step, static_cast<int>(channels - c), sums + c);
}

// Adds the rows of the sweep, all their columns.
template <class Map>
inline void sweep_rows(const WeightGradient& w, Sweep<Map> sweep, const SweepKernel<Map>* kernels) {
  const int64_t channels = sweep.channels, width = w.g.out_w;
  sweep.channels = kernels == nullptr ? 0 : unrolled_channels(channels);
  for (sweep.x_begin = 0; sweep.channels > 0 && sweep.x_begin < width; sweep.x_begin = sweep.x_end) {
    // Neighbouring runs of one length go together.
    const int64_t length = run_length(width - sweep.x_begin);
    sweep.x_end = sweep.x_begin + length;
    while (sweep.x_end < width && sweep.x_end - sweep.x_begin < w.unit_columns() &&
           run_length(width - sweep.x_end) == length) {
      sweep.x_end += length;
    }
    sweep.ahead = (sweep.x_end - sweep.x_begin) * sweep.pixel_step;
    kernels[length](sweep);
  }
  const int64_t main = sweep.channels;
  if (main == channels) return;
  sweep.input += main;
  sweep.grad_output += main;
  sweep.sums += main;
  sweep.channels = channels - main;
  sweep.x_begin = 0;
  sweep.x_end = w.g.out_w;
  generic_sweep(sweep);
}

// The partial sums of a chunk for the channels [c, c + channels).
template <class Map>
inline void sum_chunk(const WeightGradient& w, const MapGradients<Map>& args, int64_t chunk, int64_t c,
                      int64_t channels, float* sums, float* scratch) {
  const ConvGeometry& g = w.g;
  for (int64_t i = 0; i < (w.taps + 1) * channels; ++i) sums[i] = 0.0F;
  const SweepKernel<Map>* const kernels = sweep_kernels<Map>(w.horizontal);
  const int64_t in_pixels = g.in_h * g.in_w, out_pixels = g.out_h * g.out_w;
  Sweep<Map> sweep{.input = args.input + c,
                   .grad_output = args.grad_output + c,
                   .sums = sums,
                   .channels = channels,
                   .pixel_step = g.out_c,
                   .sum_step = channels,
                   .geometry = &g,
                   .vertical = &w.vertical,
                   .horizontal = &w.horizontal};
  const int64_t end = smaller(w.rows, (chunk + 1) * w.chunk_rows());
  int64_t packed_begin = 0, packed_end = 0;  // images
  for (int64_t row = chunk * w.chunk_rows(); row < end; row += w.unit_rows()) {
    const int64_t unit_end = smaller(end, row + w.unit_rows());
    const int64_t first = row / g.out_h, last = (unit_end - 1) / g.out_h;
    if (w.packed() && (first < packed_begin || last >= packed_end)) {
      packed_begin = first;
      packed_end = last + 1;
      const int64_t images = packed_end - first;
      auto* const input = reinterpret_cast<Map*>(scratch);
      auto* const grad = reinterpret_cast<Map*>(scratch + w.packed_input_floats());
      pack_pixels(args.input + first * in_pixels * g.in_c + c, g.in_c, images * in_pixels, channels, input);
      pack_pixels(args.grad_output + first * out_pixels * g.out_c + c, g.out_c, images * out_pixels, channels, grad);
      sweep.pixel_step = channels;
      sweep.input = input;
      sweep.grad_output = grad;
    }
    sweep.row_begin = row - packed_begin * g.out_h;
    sweep.row_end = unit_end - packed_begin * g.out_h;
    sweep_rows(w, sweep, kernels);
    if (args.grad_bias) {
      add_pixels(sweep.grad_output + sweep.row_begin * g.out_w * sweep.pixel_step, (unit_end - row) * g.out_w,
                 sweep.pixel_step, channels, sums + w.taps * channels);
    }
  }
}

template <class Map>
inline void sum_weight_gradient(const WeightGradient& w, const MapGradients<Map>& args) {
  const ConvGeometry& g = w.g;
  float* const sums = args.workspace;
  const int64_t channel_block = w.channel_block(), channel_blocks = ceil_div(g.out_c, channel_block);
  parallel_for(w.chunks() * channel_blocks, [&](int64_t task, int worker) {
    const int64_t chunk = task / channel_blocks, c = task % channel_blocks * channel_block;
    sum_chunk(w, args, chunk, c, smaller(channel_block, g.out_c - c),
              sums + chunk * w.chunk_floats() + (w.taps + 1) * c, sums + w.sums_floats() + worker * w.scratch_floats());
  });
  parallel_for(channel_blocks, [&](int64_t block, int) {
    const int64_t first = block * channel_block, channels = smaller(channel_block, g.out_c - first);
    for (int64_t tap = 0; tap < (args.grad_bias ? w.taps + 1 : w.taps); ++tap) {
      float* const result = (tap == w.taps ? args.grad_bias : args.grad_weight + tap * g.out_c) + first;
      const float* const partial = sums + (w.taps + 1) * first + tap * channels;
      for (int64_t c = 0; c < channels; c += kLanes) {
        const int lanes = static_cast<int>(smaller<int64_t>(kLanes, channels - c));
        Vec sum = zero();
        for (int64_t chunk = 0; chunk < w.chunks(); ++chunk) {
          sum = sum + load_n(partial + chunk * w.chunk_floats() + c, lanes);
        }
        store_n(result + c, sum, lanes);
      }
    }
  });
}

}  // namespace convoy::kernels::CONVOY_ISA
