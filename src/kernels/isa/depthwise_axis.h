// One axis of a depthwise convolution or of its input gradient, both as a correlation.
#pragma once

#include "kernels/conv_args.h"
#include "kernels/isa/simd.h"
#include "kernels/isa/unroll.h"

namespace convoy::kernels::CONVOY_ISA {

// The results result_first + result_step t, 0 <= t < count, are the sums over the taps 0 <= m < taps of
//   source[origin + stride t + dilation m] * weight[weight_first + weight_step m],
// source indices outside [0, extent) left out.
struct Axis {
  int64_t result_first, result_step, count;
  int64_t extent, origin, stride, dilation;
  int64_t taps, weight_first, weight_step;
};

// How a direction of the convolution sees one spatial axis.
struct AxisGeometry {
  int64_t in, out, kernel, stride, pad, dilation;
  bool transposed;  // the input gradient: the source is grad_output, the result grad_input

  // The results fall into this many classes, by index modulo phases(), each with its own taps.
  int64_t phases() const { return transposed ? stride : 1; }
  int64_t results() const { return transposed ? in : out; }
  int64_t sources() const { return transposed ? out : in; }
};

inline AxisGeometry vertical_axis(const ConvGeometry& g, bool transposed) {
  return {g.in_h, g.out_h, g.kernel_h, g.stride_h, g.pad_h, g.dilation_h, transposed};
}
inline AxisGeometry horizontal_axis(const ConvGeometry& g, bool transposed) {
  return {g.in_w, g.out_w, g.kernel_w, g.stride_w, g.pad_w, g.dilation_w, transposed};
}

inline int64_t greatest_common_divisor(int64_t a, int64_t b) {
  while (b != 0) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

// Leaves out the taps at both ends that lie outside for every result: a large kernel on a small map has many.
inline Axis trimmed(Axis axis) {
  const int64_t last = axis.origin + axis.stride * (axis.count - 1);
  const int64_t begin = last < 0 ? ceil_div(-last, axis.dilation) : 0;
  const int64_t end = axis.origin < axis.extent ? ceil_div(axis.extent - axis.origin, axis.dilation) : 0;
  axis.origin += begin * axis.dilation;
  axis.weight_first += begin * axis.weight_step;
  axis.taps = larger<int64_t>(0, smaller(axis.taps, end) - begin);
  return axis;
}

// Input x receives grad_output[o] weight[k] where o stride + k dilation - pad = x. Within a phase (x modulo stride) the
// k that have such an o are k0, k0 + stride/g, ..., g = gcd(stride, dilation), and each step lowers o by dilation/g.
// Taken from the last k to the first, o rises.
inline Axis axis_of(const AxisGeometry& a, int64_t phase) {
  if (!a.transposed) return trimmed({0, 1, a.out, a.in, -a.pad, a.stride, a.dilation, a.kernel, 0, 1});
  const int64_t g = greatest_common_divisor(a.stride, a.dilation);
  const int64_t k_step = a.stride / g, o_step = a.dilation / g;
  Axis axis{phase, a.stride, ceil_div(a.in - phase, a.stride), a.out, 0, 1, o_step, 0, 0, -k_step};
  for (int64_t k0 = 0; k0 < smaller(k_step, a.kernel); ++k0) {
    const int64_t distance = phase + a.pad - k0 * a.dilation;
    if (distance % a.stride != 0) continue;
    axis.taps = ceil_div(a.kernel - k0, k_step);
    axis.origin = distance / a.stride - (axis.taps - 1) * o_step;
    axis.weight_first = k0 + (axis.taps - 1) * k_step;
  }
  return trimmed(axis);
}

// The taps [begin, end) of result t that lie inside the source.
struct TapRange {
  int64_t begin, end;
};

inline TapRange taps_inside(const Axis& axis, int64_t t) {
  const int64_t first = axis.origin + axis.stride * t;
  const int64_t begin = first < 0 ? ceil_div(-first, axis.dilation) : 0;
  const int64_t end = first < axis.extent ? smaller(axis.taps, ceil_div(axis.extent - first, axis.dilation)) : 0;
  return {begin, larger(begin, end)};
}

// Neighbouring results are computed together in registers, in runs of 1, 2, 4, 7 or 8: maps are mostly multiples of
// 7 or 8 wide. The length of the next run where `left` results of a line are left:
inline int64_t run_length(int64_t left) {
  if (left % 7 == 0 && left % 8 != 0) return 7;
  for (const int64_t length : {8, 7, 4, 2}) {
    if (length <= left) return length;
  }
  return 1;
}

// Kernels with more taps than this compute longer than they load: their sources are worth packing.
inline constexpr int64_t kSmallKernel = 25;

// Bit i says that first + i lies inside [0, extent), 0 <= i < count <= 32.
inline uint32_t inside_bits(int64_t first, int64_t extent, int count) {
  const uint64_t begin = static_cast<uint64_t>(first < 0 ? smaller<int64_t>(-first, count) : 0);
  const uint64_t end = static_cast<uint64_t>(larger<int64_t>(0, smaller<int64_t>(count, extent - first)));
  return static_cast<uint32_t>((uint64_t{1} << end) - 1) & ~static_cast<uint32_t>((uint64_t{1} << begin) - 1);
}

// Whether there are kernels unrolled for the usual sizes; the baseline, there to run anywhere, spares their code.
inline constexpr bool kUnrolled = kLanes > 4;

// Masked loads cost what plain ones do: the unrolled kernels use them throughout and take any number of channels.
// Elsewhere those take whole registers of channels, and the generic kernels the rest.
inline constexpr bool kFreeMasks = kRegisters == 32;

// The first of `channels` that the unrolled kernels leave to the generic ones.
inline int64_t unrolled_channels(int64_t channels) { return kFreeMasks ? channels : channels / kLanes * kLanes; }

template <bool kPartial, class Element>
inline Vec load_lanes(const Element* p, int lanes) {
  return kPartial ? load_n(p, lanes) : load(p);
}
template <bool kPartial, class Element>
inline void store_lanes(Element* p, Vec a, int lanes) {
  if (kPartial) {
    store_n(p, a, lanes);
  } else {
    store(p, a);
  }
}

// Registers of neighbouring channels of a map; with it go floats, such as weights, in the same order. Two of brain
// floats hold a line.
template <class Map, int kVectors, bool kPartial>
struct Channels {
  static constexpr bool kLine = sizeof(Map) < sizeof(float) && kVectors == 2;

  template <class Element>
  static void load(const Element* p, int lanes, Vec (&x)[kVectors]) {
    if constexpr (kLine) {
      const auto line = load_line(p);
      x[0] = line.even;
      x[1] = line.odd;
    } else {
      unroll<0, kVectors>([&](auto v) { x[v] = load_lanes<kPartial>(p + v * kLanes, lanes); });
    }
  }
  template <class Element>
  static void store(Element* p, const Vec (&x)[kVectors], int lanes) {
    if constexpr (kLine) {
      store_line(p, {x[0], x[1]});
    } else {
      unroll<0, kVectors>([&](auto v) { store_lanes<kPartial>(p + v * kLanes, x[v], lanes); });
    }
  }
};

}  // namespace convoy::kernels::CONVOY_ISA
