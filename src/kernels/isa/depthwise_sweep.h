// The inner loop of the depthwise weight gradient: the sums of some kernel rows held in registers while sweeping over
// output pixels.
#pragma once

#include "kernels/isa/depthwise_axis.h"
#include "kernels/isa/unroll.h"

namespace convoy::kernels::CONVOY_ISA {

// The columns [x_begin, x_end) of every output row in [row_begin, row_end), rows counted through all images. Adds to
// sums [kernel_h * kernel_w][sum_step] the products of input and grad_output. Pointers are to the first channel, steps
// in elements.
template <class Map>
struct Sweep {
  const Map* input;
  const Map* grad_output;
  float* sums;
  int64_t channels, pixel_step, sum_step;
  int64_t row_begin = 0, row_end = 0, x_begin = 0, x_end = 0;
  int64_t ahead = 0;  // elements of grad_output from what is read to what is prefetched
  const ConvGeometry* geometry;
  const Axis *vertical, *horizontal;  // of the forward pass
};

template <class Map>
using SweepKernel = void (*)(const Sweep<Map>&);

// kRows rows of the kernel from first_row on, kTaps taps in a row, stride_w = kStride, dilation_w = 1; the columns are
// whole runs of kRun.
template <int kRows, int kTaps, int kStride, int kRun, bool kPartial, class Map>
inline void sweep_unrolled(const Sweep<Map>& sweep, int64_t first_row, int64_t c, int lanes) {
  constexpr int kColumns = (kRun - 1) * kStride + kTaps;
  constexpr bool kPrefetched = kTaps * kTaps <= kSmallKernel;  // which are as fast as memory
  const ConvGeometry& g = *sweep.geometry;
  const Axis &vertical = *sweep.vertical, &horizontal = *sweep.horizontal;
  const int64_t step = sweep.pixel_step;
  const int rows = static_cast<int>(smaller<int64_t>(kRows, vertical.weight_first + vertical.taps - first_row));
  float* const first_sum = sweep.sums + (first_row * g.kernel_w + horizontal.weight_first) * sweep.sum_step + c;
  const auto sum_of = [&](int row, int tap) { return first_sum + (row * g.kernel_w + tap) * sweep.sum_step; };
  Vec sums[kRows][kTaps];
  unroll<0, kRows>([&](auto i) {
    unroll<0, kTaps>([&](auto k) { sums[i][k] = i < rows ? load_lanes<kPartial>(sum_of(i, k), lanes) : zero(); });
  });
  int64_t image = sweep.row_begin / g.out_h, y = sweep.row_begin % g.out_h;
  for (int64_t row = sweep.row_begin; row < sweep.row_end; ++row) {
    const int64_t input_y = y * g.stride_h - g.pad_h + first_row * g.dilation_h;
    const Map* const grad_row = sweep.grad_output + row * g.out_w * step + c;
    const Map* const input_row = sweep.input + (image * g.in_h + input_y) * g.in_w * step + c;
    if (++y == g.out_h) {
      y = 0;
      ++image;
    }
    bool row_inside[kRows], any = false;
    unroll<0, kRows>([&](auto i) {
      const int64_t at = input_y + i * g.dilation_h;
      row_inside[i] = i < rows && at >= 0 && at < g.in_h;
      any = any || row_inside[i];
    });
    if (!any) continue;
    for (int64_t x = sweep.x_begin; x < sweep.x_end; x += kRun) {
      const int64_t first_column = horizontal.origin + x * kStride;
      const uint32_t inside = inside_bits(first_column, g.in_w, kColumns);
      Vec grad[kRun];
      const Map* grad_pixel = grad_row + x * step;
      unroll<0, kRun>([&](auto i) {
        grad[i] = load_lanes<kPartial>(grad_pixel, lanes);
        if constexpr (kPrefetched) __builtin_prefetch(grad_pixel + sweep.ahead, 0, 2);
        grad_pixel += step;
      });
      unroll<0, kRows>([&](auto i) {
        if (!row_inside[i]) return;
        const Map* pixel = input_row + (i * g.dilation_h * g.in_w + first_column) * step;
        unroll<0, kColumns>([&](auto j) {
          if constexpr (kPrefetched && i.value + kStride >= kRows && j.value < kRun * kStride) {
            __builtin_prefetch(pixel + kStride * sweep.ahead, 0, 2);
          }
          if ((inside >> j) & 1U) [[likely]] {
            const Vec in = load_lanes<kPartial>(pixel, lanes);
            unroll<0, kRun>([&](auto o) {
              constexpr int k = j.value - o.value * kStride;
              if constexpr (k >= 0 && k < kTaps) sums[i][k] = add_product(sums[i][k], in, grad[o]);
            });
          }
          pixel += step;
        });
      });
    }
  }
  unroll<0, kRows>([&](auto i) {
    if (i >= rows) return;
    unroll<0, kTaps>([&](auto k) { store_lanes<kPartial>(sum_of(i, k), sums[i][k], lanes); });
  });
}

// Takes channels in whole registers, or any number where kFreeMasks.
template <int kRows, int kTaps, int kStride, int kRun, class Map>
[[gnu::flatten]] void unrolled_sweep(const Sweep<Map>& sweep) {
  for (int64_t c = 0; c < sweep.channels; c += kLanes) {
    const int lanes = static_cast<int>(smaller<int64_t>(kLanes, sweep.channels - c));
    for (int64_t i = 0; i < sweep.vertical->taps; i += kRows) {
      sweep_unrolled<kRows, kTaps, kStride, kRun, kFreeMasks>(sweep, sweep.vertical->weight_first + i, c, lanes);
    }
  }
}

// Any kernel, one tap after the other.
template <bool kPartial, class Map>
inline void sweep_generic(const Sweep<Map>& sweep, int64_t ky, int64_t kx, int64_t c, int lanes) {
  const ConvGeometry& g = *sweep.geometry;
  const int64_t step = sweep.pixel_step;
  const int64_t shift = kx * g.dilation_w - g.pad_w;  // input column of output column 0
  const int64_t x_begin = larger(sweep.x_begin, shift < 0 ? ceil_div(-shift, g.stride_w) : 0);
  const int64_t x_end = shift < g.in_w ? smaller(sweep.x_end, ceil_div(g.in_w - shift, g.stride_w)) : 0;
  Vec sums[4] = {zero(), zero(), zero(), zero()};
  for (int64_t row = sweep.row_begin; row < sweep.row_end; ++row) {
    const int64_t input_y = row % g.out_h * g.stride_h - g.pad_h + ky * g.dilation_h;
    if (input_y < 0 || input_y >= g.in_h) continue;
    const Map* const grad = sweep.grad_output + row * g.out_w * step + c;
    const Map* const in = sweep.input + ((row / g.out_h * g.in_h + input_y) * g.in_w + shift) * step + c;
    const auto add = [&](int64_t x, Vec& sum) {
      sum = fma(load_lanes<kPartial>(grad + x * step, lanes), load_lanes<kPartial>(in + x * g.stride_w * step, lanes),
                sum);
    };
    int64_t x = x_begin;
    for (; x + 4 <= x_end; x += 4) unroll<0, 4>([&](auto i) { add(x + i, sums[i]); });
    for (; x < x_end; ++x) add(x, sums[0]);
  }
  float* const sum = sweep.sums + (ky * g.kernel_w + kx) * sweep.sum_step + c;
  store_lanes<kPartial>(sum, load_lanes<kPartial>(sum, lanes) + ((sums[0] + sums[1]) + (sums[2] + sums[3])), lanes);
}

template <class Map>
inline void generic_sweep(const Sweep<Map>& sweep) {
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

template <int kRows, int kTaps, int kStride, class Map>
inline const SweepKernel<Map>* unrolled_sweeps() {
  static constexpr SweepKernel<Map> kernels[] = {nullptr,
                                                 generic_sweep<Map>,
                                                 generic_sweep<Map>,
                                                 nullptr,
                                                 unrolled_sweep<kRows, kTaps, kStride, 4, Map>,
                                                 nullptr,
                                                 nullptr,
                                                 unrolled_sweep<kRows, kTaps, kStride, 7, Map>,
                                                 unrolled_sweep<kRows, kTaps, kStride, 8, Map>};
  return kernels;
}

// The kernels by the length of their runs, or null: take generic_sweep. As many kernel rows are taken at once as give
// enough sums to hide the latency of fma, and as there are registers for.
template <class Map>
inline const SweepKernel<Map>* sweep_kernels(const Axis& horizontal) {
  if constexpr (kUnrolled) {
    constexpr int kTwoWhereRoom = kRegisters == 32 ? 2 : 1;
    if (horizontal.dilation == 1 && horizontal.stride == 1) {
      switch (horizontal.taps) {
        case 3: return unrolled_sweeps<3, 3, 1, Map>();
        case 5: return unrolled_sweeps<2, 5, 1, Map>();
        case 7: return unrolled_sweeps<kTwoWhereRoom, 7, 1, Map>();
        case 11: return unrolled_sweeps<1, 11, 1, Map>();
        default: break;
      }
    }
    if (horizontal.dilation == 1 && horizontal.stride == 2) {
      if (horizontal.taps == 3) return unrolled_sweeps<3, 3, 2, Map>();
      if (horizontal.taps == 5) return unrolled_sweeps<2, 5, 2, Map>();
    }
  }
  return nullptr;
}

}  // namespace convoy::kernels::CONVOY_ISA
