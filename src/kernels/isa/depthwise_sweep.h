// The inner loop of the depthwise weight gradient: the sums of some kernel rows held in registers while sweeping over
// output pixels.
#pragma once

#include "kernels/isa/depthwise_axis.h"
#include "kernels/isa/unroll.h"

namespace convoy::kernels::CONVOY_ISA {

// The runs [run_begin, run_end) of every output row in [row_begin, row_end), rows counted through all images. Adds to
// sums [kernel_h * kernel_w][channel_step] the products of input and grad_output. Pointers are to the first channel.
struct Sweep {
  const float* input;
  const float* grad_output;
  float* sums;
  int64_t channels, channel_step;
  int64_t row_begin, row_end, run_begin, run_end, runs;
  const ConvGeometry* geometry;
};

using SweepKernel = void (*)(const Sweep&);

// kRows rows of the kernel, kernel_w = kTaps, stride_w = kStride, dilation_w = 1; all runs of length kRun.
template <int kRows, int kTaps, int kStride, int kRun, bool kPartial>
inline void sweep_unrolled(const Sweep& sweep, int64_t first_row, int64_t c, int lanes) {
  constexpr int kColumns = (kRun - 1) * kStride + kTaps;
  const ConvGeometry& g = *sweep.geometry;
  const int64_t step = sweep.channel_step;
  const int rows = static_cast<int>(smaller<int64_t>(kRows, g.kernel_h - first_row));
  float* const first_sum = sweep.sums + first_row * kTaps * step + c;
  Vec sums[kRows][kTaps];
  unroll<0, kRows>([&](auto i) {
    unroll<0, kTaps>([&](auto k) {
      sums[i][k] = i < rows ? load_lanes<kPartial>(first_sum + (i * kTaps + k) * step, lanes) : zero();
    });
  });
  int64_t image = sweep.row_begin / g.out_h, y = sweep.row_begin % g.out_h;
  for (int64_t row = sweep.row_begin; row < sweep.row_end; ++row) {
    const int64_t source_y = y * g.stride_h - g.pad_h + first_row * g.dilation_h;
    for (int64_t r = sweep.run_begin; r < sweep.run_end; ++r) {
      const int64_t x = g.out_w * r / sweep.runs;
      const int64_t first_column = x * kStride - g.pad_w;
      const uint32_t inside = columns_inside(first_column, g.in_w, kColumns);
      Vec grad[kRun];
      const float* const grad_pixel = sweep.grad_output + (row * g.out_w + x) * step + c;
      unroll<0, kRun>([&](auto i) { grad[i] = load_lanes<kPartial>(grad_pixel + i * step, lanes); });
      unroll<0, kRows>([&](auto i) {
        const int64_t input_y = source_y + i * g.dilation_h;
        if (i >= rows || input_y < 0 || input_y >= g.in_h) return;
        const float* pixel = sweep.input + ((image * g.in_h + input_y) * g.in_w + first_column) * step + c;
        unroll<0, kColumns>([&](auto j) {
          if ((inside >> j) & 1U) {
            const Vec in = load_lanes<kPartial>(pixel, lanes);
            unroll<0, kRun>([&](auto o) {
              constexpr int k = j.value - o.value * kStride;
              if constexpr (k >= 0 && k < kTaps) sums[i][k] = fma(in, grad[o], sums[i][k]);
            });
          }
          pixel += step;
        });
      });
    }
    if (++y == g.out_h) {
      y = 0;
      ++image;
    }
  }
  unroll<0, kRows>([&](auto i) {
    if (i >= rows) return;
    unroll<0, kTaps>([&](auto k) { store_lanes<kPartial>(first_sum + (i * kTaps + k) * step, sums[i][k], lanes); });
  });
}

// Takes channels in whole registers, or any number where kFreeMasks.
template <int kRows, int kTaps, int kStride, int kRun>
[[gnu::flatten]] void unrolled_sweep(const Sweep& sweep) {
  for (int64_t c = 0; c < sweep.channels; c += kLanes) {
    const int lanes = static_cast<int>(smaller<int64_t>(kLanes, sweep.channels - c));
    for (int64_t row = 0; row < sweep.geometry->kernel_h; row += kRows) {
      sweep_unrolled<kRows, kTaps, kStride, kRun, kFreeMasks>(sweep, row, c, lanes);
    }
  }
}

// Any kernel, one tap after the other; takes whole rows.
template <bool kPartial>
inline void sweep_generic(const Sweep& sweep, int64_t ky, int64_t kx, int64_t c, int lanes) {
  const ConvGeometry& g = *sweep.geometry;
  const int64_t step = sweep.channel_step;
  const int64_t shift = kx * g.dilation_w - g.pad_w;  // input column of output column 0
  const int64_t x_begin = shift < 0 ? ceil_div(-shift, g.stride_w) : 0;
  const int64_t x_end = shift < g.in_w ? smaller(g.out_w, ceil_div(g.in_w - shift, g.stride_w)) : 0;
  Vec sums[4] = {zero(), zero(), zero(), zero()};
  for (int64_t row = sweep.row_begin; row < sweep.row_end; ++row) {
    const int64_t input_y = row % g.out_h * g.stride_h - g.pad_h + ky * g.dilation_h;
    if (input_y < 0 || input_y >= g.in_h) continue;
    const float* const grad = sweep.grad_output + row * g.out_w * step + c;
    const float* const in = sweep.input + ((row / g.out_h * g.in_h + input_y) * g.in_w + shift) * step + c;
    const auto add = [&](int64_t x, Vec& sum) {
      sum = fma(load_lanes<kPartial>(grad + x * step, lanes), load_lanes<kPartial>(in + x * g.stride_w * step, lanes),
                sum);
    };
    int64_t x = x_begin;
    for (; x + 4 <= x_end; x += 4) unroll<0, 4>([&](auto i) { add(x + i, sums[i]); });
    for (; x < x_end; ++x) add(x, sums[0]);
  }
  float* const sum = sweep.sums + (ky * g.kernel_w + kx) * step + c;
  store_lanes<kPartial>(sum, load_lanes<kPartial>(sum, lanes) + ((sums[0] + sums[1]) + (sums[2] + sums[3])), lanes);
}

inline void generic_sweep(const Sweep& sweep) {
  for (int64_t c = 0; c < sweep.channels; c += kLanes) {
    const int lanes = static_cast<int>(smaller<int64_t>(kLanes, sweep.channels - c));
    for (int64_t ky = 0; ky < sweep.geometry->kernel_h; ++ky) {
      for (int64_t kx = 0; kx < sweep.geometry->kernel_w; ++kx) {
        if (lanes == kLanes) {
          sweep_generic<false>(sweep, ky, kx, c, lanes);
        } else {
          sweep_generic<true>(sweep, ky, kx, c, lanes);
        }
      }
    }
  }
}

template <int kRows, int kTaps, int kStride>
inline const SweepKernel* unrolled_sweeps() {
  static constexpr SweepKernel kernels[kMaxRun] = {
      unrolled_sweep<kRows, kTaps, kStride, 1>, unrolled_sweep<kRows, kTaps, kStride, 2>,
      unrolled_sweep<kRows, kTaps, kStride, 3>, unrolled_sweep<kRows, kTaps, kStride, 4>,
      unrolled_sweep<kRows, kTaps, kStride, 5>, unrolled_sweep<kRows, kTaps, kStride, 6>,
      unrolled_sweep<kRows, kTaps, kStride, 7>, unrolled_sweep<kRows, kTaps, kStride, 8>};
  return kernels;
}

// The kernels for runs of 1 to kMaxRun outputs, or null: take generic_sweep. As many kernel rows are taken at once as
// give enough sums to hide the latency of fma.
inline const SweepKernel* sweep_kernels(const ConvGeometry& g) {
  if (g.dilation_w != 1) return nullptr;
  if (g.stride_w == 1) {
    switch (g.kernel_w) {
      case 3: return unrolled_sweeps<3, 3, 1>();
      case 5: return unrolled_sweeps<2, 5, 1>();
      case 7: return unrolled_sweeps<1, 7, 1>();
      case 11: return unrolled_sweeps<1, 11, 1>();
      default: return nullptr;
    }
  }
  if (g.stride_w == 2) {
    switch (g.kernel_w) {
      case 3: return unrolled_sweeps<3, 3, 2>();
      case 5: return unrolled_sweeps<2, 5, 2>();
      default: return nullptr;
    }
  }
  return nullptr;
}

}  // namespace convoy::kernels::CONVOY_ISA
