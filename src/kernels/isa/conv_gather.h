// Where a convolution's GEMM finds its operands: for every result pixel and tap the address of a row of channels.
//
// Forward and input gradient are the same sum, result[p] = sum over taps t of source[pixel(p, t)] * weight[t], with
// pixel(p, t) = p * source_step + offset(t) along each axis. An input gradient of stride s is s * s such sums, one for
// each remainder (phase) of the input coordinates, each with those taps that meet an output pixel there.
#pragma once

#include "kernels/conv.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {

// One axis (y or x). Result i lies at result_first + i * result_step; its t-th tap is kernel index
// tap_first + t * tap_step and reads source i * source_step + offset_first + t * offset_step.
struct GatherAxis {
  int64_t count;
  int64_t result_first, result_step, result_extent;
  int64_t source_step, source_extent;
  int64_t taps, tap_first, tap_step;
  int64_t offset_first, offset_step;
};

// result[batch][y][x][groups * outputs] from source[batch][y][x][source_pitch] over y.taps * x.taps taps of `channels`
// channels in each group. With `windows` a tap is a kernel row: window_pixels * source_pitch contiguous floats (which
// may reach over the image's left or right edge) are its channels, and x.taps is 1.
struct Gather {
  int64_t batch;
  GatherAxis y, x;
  int64_t source_pitch, groups, channels, outputs;
  bool windows;
  int64_t window_pixels;

  int64_t pixels() const { return batch * y.count * x.count; }
  // Whether every pixel of the result has one source pixel, its own.
  bool is_pointwise() const {
    return !windows && taps() == 1 && y.source_step == 1 && x.source_step == 1 && y.offset_first == 0 &&
           x.offset_first == 0 && y.count == y.source_extent && x.count == x.source_extent;
  }
  int64_t taps() const { return y.taps * x.taps; }
  int64_t result_pitch() const { return groups * outputs; }
};

// With fewer input channels than this a kernel row is reduced in one run of channels.
inline constexpr int64_t kWindowChannels = 16;
// And no longer run than this: the weight gradient cuts no window, as those over the edge are copied from their first
// channel on.
inline constexpr int64_t kWindowFloats = 256;

inline GatherAxis forward_axis(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  return {out, 0, 1, out, stride, in, kernel, 0, 1, -pad, dilation};
}

inline Gather forward_gather(const ConvGeometry& g) {
  Gather gather{g.batch,
                forward_axis(g.in_h, g.out_h, g.kernel_h, g.stride_h, g.pad_h, g.dilation_h),
                forward_axis(g.in_w, g.out_w, g.kernel_w, g.stride_w, g.pad_w, g.dilation_w),
                g.in_c,
                g.groups,
                g.in_c / g.groups,
                g.out_c / g.groups,
                false,
                1};
  if (g.groups == 1 && g.in_c < kWindowChannels && g.kernel_w > 1 && g.dilation_w == 1 &&
      g.in_c * g.kernel_w <= kWindowFloats) {
    gather.windows = true;
    gather.window_pixels = g.kernel_w;
    gather.channels *= g.kernel_w;
    gather.x.taps = 1;
  }
  return gather;
}

// Input coordinates i with i % stride == phase. Tap k meets output o = (i + pad - k * dilation) / stride, which must be
// whole: the valid k form an arithmetic progression.
inline GatherAxis grad_input_axis(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad,
                                  int64_t dilation, int64_t phase) {
  const auto meets = [&](int64_t k) { return (phase + pad - k * dilation) % stride == 0; };
  int64_t first = 0;
  while (first < kernel && !meets(first)) ++first;
  int64_t step = 1;
  while (step * dilation % stride != 0) ++step;
  const int64_t taps = first < kernel ? ceil_div(kernel - first, step) : 0;
  const int64_t offset = (phase + pad - first * dilation) / stride;
  return {ceil_div(in - phase, stride), phase, stride, in, 1, out, taps, first, step, offset,
          -step * dilation / stride};
}

inline int64_t grad_input_phases(const ConvGeometry& g) { return g.stride_h * g.stride_w; }

inline Gather grad_input_gather(const ConvGeometry& g, int64_t phase) {
  return {g.batch,
          grad_input_axis(g.in_h, g.out_h, g.kernel_h, g.stride_h, g.pad_h, g.dilation_h, phase / g.stride_w),
          grad_input_axis(g.in_w, g.out_w, g.kernel_w, g.stride_w, g.pad_w, g.dilation_w, phase % g.stride_w),
          g.out_c,
          g.groups,
          g.out_c / g.groups,
          g.in_c / g.groups,
          false,
          1};
}

// Rows of a microkernel at the most.
inline constexpr int64_t kMostRows = 12;

// The addresses for one tile of up to kCapacity consecutive result pixels.
template <int64_t kCapacity, class Element = float>
struct GatherTable {
  const Element** sources;  // [tap][kCapacity]: first channel of the tap's source pixel, or the row of padding
  int64_t* destinations;    // [kCapacity]: offset of the result pixel's first channel
  int64_t* y;               // [kCapacity]: source coordinates before the tap's offset
  int64_t* x;
  int64_t* bases;    // [kCapacity]: index of source pixel (y, x), which may lie outside the image
  int64_t end;       // of the entries that are filled
  Element* windows;  // [tap][kCapacity][channels]: kernel rows that reach over the edge; used with Gather::windows

  static size_t bytes(const Gather& gather) {
    const int64_t window_elements = gather.windows ? gather.taps() * kCapacity * gather.channels : 0;
    return static_cast<size_t>(8 * kCapacity * (gather.taps() + 4)) +
           static_cast<size_t>(window_elements) * sizeof(Element);
  }

  GatherTable(const Gather& gather, std::byte* memory) {
    sources = reinterpret_cast<const Element**>(memory);
    destinations = reinterpret_cast<int64_t*>(sources + gather.taps() * kCapacity);
    y = destinations + kCapacity;
    x = y + kCapacity;
    bases = x + kCapacity;
    windows = reinterpret_cast<Element*>(bases + kCapacity);
  }

  // Fills the table for the result pixels first .. first + count - 1. `padding` is a row of at least gather.channels
  // (of all groups) equal values, which taps outside of the image have, and windows where they reach over its edge;
  // entries behind `count` point there, as far as a microkernel reads.
  void fill(const Gather& gather, const Element* source, const Element* padding, int64_t first, int64_t count) {
    if (gather.is_pointwise() && gather.y.result_step == 1 && gather.x.result_step == 1) {
      end = smaller(kCapacity, count + kMostRows);
      for (int64_t i = 0; i < count; ++i) destinations[i] = (first + i) * gather.result_pitch();
      for (int64_t i = 0; i < count; ++i) sources[i] = source + (first + i) * gather.source_pitch;
      for (int64_t i = count; i < end; ++i) sources[i] = padding;
      return;
    }
    locate(gather, first, count);
    for (int64_t ty = 0; ty < gather.y.taps; ++ty) {
      for (int64_t tx = 0; tx < gather.x.taps; ++tx) {
        const int64_t dy = gather.y.offset_first + ty * gather.y.offset_step;
        const int64_t dx = gather.x.offset_first + tx * gather.x.offset_step;
        const int64_t tap = ty * gather.x.taps + tx;
        if (gather.windows) {
          fill_windows(gather, source, padding, tap, dy, dx, count);
        } else {
          fill_tap(gather, source, padding, sources + tap * kCapacity, dy, dx);
        }
      }
    }
  }

  // Destinations alone, and what the taps' addresses follow from.
  void locate(const Gather& gather, int64_t first, int64_t count) {
    end = smaller(kCapacity, count + kMostRows);
    const GatherAxis& ay = gather.y;
    const GatherAxis& ax = gather.x;
    int64_t px = first % ax.count;
    int64_t py = first / ax.count % ay.count;
    int64_t image = first / (ax.count * ay.count);
    for (int64_t i = 0; i < count; ++i) {
      destinations[i] = ((image * ay.result_extent + ay.result_first + py * ay.result_step) * ax.result_extent +
                         ax.result_first + px * ax.result_step) *
                        gather.result_pitch();
      y[i] = py * ay.source_step;
      x[i] = px * ax.source_step;
      bases[i] = (image * ay.source_extent + y[i]) * ax.source_extent + x[i];
      if (++px == ax.count) {
        px = 0;
        if (++py == ay.count) {
          py = 0;
          ++image;
        }
      }
    }
    for (int64_t i = count; i < end; ++i) {
      y[i] = INT64_MIN / 2;  // outside for every tap
      x[i] = bases[i] = 0;
    }
  }

 private:
  void fill_tap(const Gather& gather, const Element* source, const Element* padding, const Element** row, int64_t dy,
                int64_t dx) const {
    const auto height = static_cast<uint64_t>(gather.y.source_extent);
    const auto width = static_cast<uint64_t>(gather.x.source_extent);
    const int64_t shift = dy * gather.x.source_extent + dx;
    const auto origin = reinterpret_cast<uintptr_t>(source);
    const auto outside = reinterpret_cast<uintptr_t>(padding);
    const auto bytes = static_cast<uint64_t>(gather.source_pitch) * sizeof(Element);
    for (int64_t i = 0; i < end; ++i) {
      const bool inside = (static_cast<uint64_t>(y[i] + dy) < height) & (static_cast<uint64_t>(x[i] + dx) < width);
      const uintptr_t address = origin + static_cast<uint64_t>(bases[i] + shift) * bytes;
      row[i] = reinterpret_cast<const Element*>(inside ? address : outside);
    }
  }

  void fill_windows(const Gather& gather, const Element* source, const Element* padding, int64_t tap, int64_t dy,
                    int64_t dx, int64_t count) {
    const int64_t width = gather.x.source_extent;
    const int64_t pitch = gather.source_pitch;
    const Element** row = sources + tap * kCapacity;
    for (int64_t i = count; i < end; ++i) row[i] = padding;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t left = x[i] + dx;
      const int64_t right = left + gather.window_pixels;
      if (static_cast<uint64_t>(y[i] + dy) >= static_cast<uint64_t>(gather.y.source_extent)) {
        row[i] = padding;
      } else if (left >= 0 && right <= width) {
        row[i] = source + (bases[i] + dy * width + dx) * pitch;
      } else {
        Element* window = windows + (tap * kCapacity + i) * gather.channels;
        const Element* image_row = source + (bases[i] - x[i] + dy * width) * pitch;
        for (int64_t c = 0; c < gather.channels; ++c) {
          const int64_t at = left * pitch + c;
          window[c] = at >= 0 && at < width * pitch ? image_row[at] : *padding;
        }
        row[i] = window;
      }
    }
  }
};

}  // namespace convoy::kernels::CONVOY_ISA
