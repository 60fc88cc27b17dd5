// The inner loop of depthwise forward and input gradient: a run of up to 8 neighbouring results, a few channels at a
// time, held in registers over all taps.
#pragma once

#include "kernels/isa/activation.h"
#include "kernels/isa/depthwise_axis.h"
#include "kernels/isa/streaming.h"
#include "kernels/isa/unroll.h"

namespace convoy::kernels::CONVOY_ISA {

// Pointers are to the first channel; steps are in elements.
template <class Map>
struct Run {
  const Map* source;    // column 0 of the row of the first tap row
  const float* weight;  // first tap
  const float* bias;    // or null
  const Map* addend;    // like result, or null
  Map* result;
  bool streamed;          // results go around the caches: whole lines, aligned
  float* held;            // kHeldFloats: the first halves of lines until the second ones are there
  Activation activation;  // of the results, a cheap one; none with statistics
  // Statistics of the tile, or null: sums of x - shift, and kMaxChannelBlock behind squared deviations from their mean.
  // With n pixels before this run and k in it, earlier_share = 1 / n and merge_weight = n k / (n + k); 0 for the first
  // run, which sets the shifts.
  float* sums;
  float* shifts;
  float earlier_share, merge_weight;
  int64_t channels;
  int64_t tap_rows, source_row_step, weight_row_step;
  int64_t source_pixel_step, weight_tap_step, result_step;
  int64_t first_column;            // source column of tap 0 of the first result; may lie outside
  int64_t columns;                 // source width
  int64_t taps, stride, dilation;  // along the row
};

inline constexpr int64_t kMaxChannelBlock = 256;

template <class Map>
using RunKernel = void (*)(const Run<Map>&);

inline constexpr int64_t kHeldFloats = 8 * kLanes;  // of the longest run

template <int kRun, int kVectors, bool kPartial, class Map>
inline void start_results(const Run<Map>& run, int64_t c, int lanes, Vec (&sums)[kRun][kVectors]) {
  Vec start[kVectors];
  unroll<0, kVectors>([&](auto v) { start[v] = zero(); });
  if (run.bias) Channels<Map, kVectors, kPartial>::load(run.bias + c, lanes, start);
  unroll<0, kRun>([&](auto r) { unroll<0, kVectors>([&](auto v) { sums[r][v] = start[v]; }); });
}

// part(0) + ... + part(kEnd - 1), in pairs: short chains.
template <int kBegin, int kEnd, class Part>
inline Vec sum_pairs(const Part& part) {
  if constexpr (kEnd - kBegin == 1) {
    return part(kBegin);
  } else {
    constexpr int kMiddle = (kBegin + kEnd + 1) / 2;
    return sum_pairs<kBegin, kMiddle>(part) + sum_pairs<kMiddle, kEnd>(part);
  }
}

// Merges the sum of the run and its squared deviations from its own mean into those of the earlier runs of the tile
// (Chan, Golub and LeVeque, 1983), all of x - shift, where shift is the mean of the tile's first run: however far from
// zero a channel is, its deviations keep their digits.
template <int kRun, int kVectors, bool kPartial, class Map>
inline void add_statistics(const Run<Map>& run, int64_t c, int lanes, const Vec (&results)[kRun][kVectors]) {
  using Floats = Channels<Map, kVectors, kPartial>;
  const Vec share = broadcast(1.0F / kRun);
  float* const squares_at = run.sums + kMaxChannelBlock;
  Vec shifts[kVectors], sums[kVectors], squares[kVectors];
  if (run.earlier_share == 0.0F) {
    unroll<0, kVectors>([&](auto v) { shifts[v] = sum_pairs<0, kRun>([&](int r) { return results[r][v]; }) * share; });
    Floats::store(run.shifts + c, shifts, lanes);
  } else {
    Floats::load(run.shifts + c, lanes, shifts);
  }
  Floats::load(run.sums + c, lanes, sums);
  Floats::load(squares_at + c, lanes, squares);
  unroll<0, kVectors>([&](auto v) {
    const Vec sum = sum_pairs<0, kRun>([&](int r) { return results[r][v] - shifts[v]; });
    const Vec mean = sum * share;
    const Vec distance = fnma(sums[v], broadcast(run.earlier_share), mean);
    const Vec centre = shifts[v] + mean;
    const Vec square = sum_pairs<0, kRun>([&](int r) {
      const Vec deviation = results[r][v] - centre;
      return deviation * deviation;
    });
    sums[v] = sums[v] + sum;
    squares[v] = squares[v] + fma(distance * distance, broadcast(run.merge_weight), square);
  });
  Floats::store(run.sums + c, sums, lanes);
  Floats::store(squares_at + c, squares, lanes);
}

// Streams a register of result r: whole lines at once, as half lines are slow where others are written in between.
template <class Map>
inline void stream_part(const Run<Map>& run, int r, int64_t c, Vec part) {
  constexpr int64_t kLine = 64 / sizeof(Map);
  Map* const at = run.result + r * run.result_step + c;
  if constexpr (2 * kLanes == kLine) {
    float* const held = run.held + r * kLanes;
    if (c % kLine == 0) return store(held, part);
    stream(at - kLanes, load(held));
  }
  stream(at, part);
}

template <int kRun, int kVectors, bool kPartial, class Map>
inline void store_results(const Run<Map>& run, int64_t c, int lanes, Vec (&results)[kRun][kVectors]) {
  with_cheap_activation(run.activation, [&](auto activation) {
    unroll<0, kRun>([&](auto r) {
      using Maps = Channels<Map, kVectors, kPartial>;
      const int64_t at = r * run.result_step + c;
      Vec activated[kVectors];
      if (run.addend) {
        Vec addend[kVectors];
        Maps::load(run.addend + at, lanes, addend);
        unroll<0, kVectors>([&](auto v) { results[r][v] = results[r][v] + addend[v]; });
      }
      unroll<0, kVectors>([&](auto v) { activated[v] = activate<decltype(activation)::value>(results[r][v]); });
      if (!run.streamed) {
        Maps::store(run.result + at, activated, lanes);
      } else if constexpr (Maps::kLine) {
        stream_line(run.result + at, {activated[0], activated[1]});
      } else {
        unroll<0, kVectors>([&](auto v) { stream_part(run, r, c + v * kLanes, activated[v]); });
      }
    });
  });
  if (run.sums) add_statistics<kRun, kVectors, kPartial>(run, c, lanes, results);
}

// kTaps taps in a row, dilation 1: each source vector is loaded once for a tap row and serves every result that sees
// it.
template <int kTaps, int kStride, int kRun, int kVectors, bool kPartial, class Map>
inline void run_unrolled(const Run<Map>& run, uint32_t inside, int64_t c, int lanes) {
  constexpr int kColumns = (kRun - 1) * kStride + kTaps;
  Vec sums[kRun][kVectors];
  start_results<kRun, kVectors, kPartial>(run, c, lanes, sums);
  const Map* source_row = run.source + run.first_column * run.source_pixel_step + c;
  const float* weight_row = run.weight + c;
  for (int64_t row = 0; row < run.tap_rows; ++row) {
    Vec weight[kTaps][kVectors];
    const float* tap = weight_row;
    unroll<0, kTaps>([&](auto k) {
      Channels<Map, kVectors, kPartial>::load(tap, lanes, weight[k]);
      tap += run.weight_tap_step;
    });
    const Map* pixel = source_row;
    const bool fetches = row + kStride >= run.tap_rows && c % kLineFloats == 0;  // rows that the next results see first
    unroll<0, kColumns>([&](auto j) {
      if constexpr (kTaps * kTaps <= kSmallKernel && j.value < kRun * kStride) {  // which are as fast as memory
        if (fetches) __builtin_prefetch(pixel + kStride * run.source_row_step, 0, 2);
      }
      if ((inside >> j) & 1U) [[likely]] {
        Vec x[kVectors];
        Channels<Map, kVectors, kPartial>::load(pixel, lanes, x);
        unroll<0, kVectors>([&](auto v) {
          unroll<0, kRun>([&](auto r) {
            constexpr int k = j.value - r.value * kStride;
            if constexpr (k >= 0 && k < kTaps) sums[r][v] = fma(x[v], weight[k][v], sums[r][v]);
          });
        });
      }
      pixel += run.source_pixel_step;
    });
    source_row += run.source_row_step;
    weight_row += run.weight_row_step;
  }
  store_results<kRun, kVectors, kPartial>(run, c, lanes, sums);
}

// Takes channels in whole registers, or any number where kFreeMasks.
template <int kTaps, int kStride, int kRun, class Map>
[[gnu::flatten]] void unrolled_kernel(const Run<Map>& run) {
  constexpr int kColumns = (kRun - 1) * kStride + kTaps;
  const uint32_t inside = inside_bits(run.first_column, run.columns, kColumns);
  int64_t c = 0;
  // Two vectors of channels where they are a line, or one alone has too few sums to hide the latency of fma.
  if constexpr (kRun == 4 || Channels<Map, 2, false>::kLine) {
    for (; c + 2 * kLanes <= run.channels; c += 2 * kLanes) {
      run_unrolled<kTaps, kStride, kRun, 2, false>(run, inside, c, kLanes);
    }
  }
  for (; c < run.channels; c += kLanes) {
    const int lanes = static_cast<int>(smaller<int64_t>(kLanes, run.channels - c));
    run_unrolled<kTaps, kStride, kRun, 1, kFreeMasks>(run, inside, c, lanes);
  }
}

template <int kRun, int kVectors, bool kPartial, class Map>
inline void run_generic(const Run<Map>& run, int64_t c, int lanes) {
  using Registers = Channels<Map, kVectors, kPartial>;
  Vec sums[kRun][kVectors];
  start_results<kRun, kVectors, kPartial>(run, c, lanes, sums);
  for (int64_t row = 0; row < run.tap_rows; ++row) {
    const Map* source = run.source + row * run.source_row_step + c;
    const float* tap = run.weight + row * run.weight_row_step + c;
    for (int64_t k = 0; k < run.taps; ++k) {
      Vec weight[kVectors];
      Registers::load(tap + k * run.weight_tap_step, lanes, weight);
      unroll<0, kRun>([&](auto r) {
        const int64_t column = run.first_column + r * run.stride + k * run.dilation;
        if (column >= 0 && column < run.columns) {
          Vec x[kVectors];
          Registers::load(source + column * run.source_pixel_step, lanes, x);
          unroll<0, kVectors>([&](auto v) { sums[r][v] = fma(x[v], weight[v], sums[r][v]); });
        }
      });
    }
  }
  store_results<kRun, kVectors, kPartial>(run, c, lanes, sums);
}

template <int kRun, class Map>
[[gnu::flatten]] void generic_kernel(const Run<Map>& run) {
  int64_t c = 0;
  if constexpr (Channels<Map, 2, false>::kLine) {
    for (; c + 2 * kLanes <= run.channels; c += 2 * kLanes) run_generic<kRun, 2, false>(run, c, kLanes);
  }
  for (; c + kLanes <= run.channels; c += kLanes) run_generic<kRun, 1, false>(run, c, kLanes);
  if (c < run.channels) run_generic<kRun, 1, true>(run, c, static_cast<int>(run.channels - c));
}

// The kernels by the length of their runs.
template <class Map>
inline const RunKernel<Map>* generic_kernels() {
  static constexpr RunKernel<Map> kernels[] = {nullptr, generic_kernel<1, Map>, generic_kernel<2, Map>,
                                               nullptr, generic_kernel<4, Map>, nullptr,
                                               nullptr, generic_kernel<7, Map>, generic_kernel<8, Map>};
  return kernels;
}

template <int kTaps, int kStride, class Map>
inline const RunKernel<Map>* unrolled_kernels() {
  static constexpr RunKernel<Map> kernels[] = {nullptr,
                                               generic_kernel<1, Map>,
                                               generic_kernel<2, Map>,
                                               nullptr,
                                               unrolled_kernel<kTaps, kStride, 4, Map>,
                                               nullptr,
                                               nullptr,
                                               unrolled_kernel<kTaps, kStride, 7, Map>,
                                               unrolled_kernel<kTaps, kStride, 8, Map>};
  return kernels;
}

template <class Map>
inline const RunKernel<Map>* fastest_kernels(const Axis& axis) {
  if constexpr (kUnrolled) {
    if (axis.dilation == 1 && axis.stride == 1) {
      switch (axis.taps) {
        case 1: return unrolled_kernels<1, 1, Map>();
        case 2: return unrolled_kernels<2, 1, Map>();
        case 3: return unrolled_kernels<3, 1, Map>();
        case 5: return unrolled_kernels<5, 1, Map>();
        case 7: return unrolled_kernels<7, 1, Map>();
        case 11: return unrolled_kernels<11, 1, Map>();
        default: break;
      }
    }
    if (axis.dilation == 1 && axis.stride == 2) {
      if (axis.taps == 3) return unrolled_kernels<3, 2, Map>();
      if (axis.taps == 5) return unrolled_kernels<5, 2, Map>();
    }
  }
  return generic_kernels<Map>();
}

}  // namespace convoy::kernels::CONVOY_ISA
