// Depthwise convolution of bytes: the taps of a pixel are taken two at a time, as the dense kernel takes its channels.
// Taps outside the input read a row of zero points, and the zero point's share is taken off the sums.
#include "core/parallel.h"
#include "kernels/isa/integers.h"
#include "kernels/isa/quantized_epilogue.h"
#include "kernels/quantized_conv.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// What is made of the weights: the sums of every channel's, then the pairs of taps of every vector of channels,
// [vector][pair][lane][2]. Workspace: that, a row of zero points, the addresses of the taps for each worker.
struct Layout {
  int64_t taps, pairs, vectors;
  size_t weight_bytes, row_bytes, table_bytes;

  explicit Layout(const ConvGeometry& g) {
    taps = g.kernel_h * g.kernel_w;
    pairs = ceil_div(taps, 2);
    vectors = ceil_div(g.in_c, kLanes);
    weight_bytes = align(static_cast<size_t>(vectors * kLanes * (pairs + 1)) * sizeof(int32_t));
    row_bytes = align(static_cast<size_t>(g.in_c));
    table_bytes = align(static_cast<size_t>(2 * pairs) * sizeof(const uint8_t*));
  }
};

void pack_weights(const ConvGeometry& g, const Layout& layout, const int8_t* weight, int32_t* packed) {
  const int64_t lanes = layout.vectors * kLanes;
  auto* pairs = reinterpret_cast<int16_t*>(packed + lanes);
  for (int64_t c = 0; c < lanes; ++c) {
    int32_t sum = 0;
    int16_t* to = pairs + (c / kLanes * layout.pairs * kLanes + c % kLanes) * 2;
    for (int64_t tap = 0; tap < 2 * layout.pairs; ++tap) {
      const int16_t w = c < g.in_c && tap < layout.taps ? weight[tap * g.in_c + c] : int16_t{0};
      to[tap / 2 * kLanes * 2 + tap % 2] = w;
      sum += w;
    }
    packed[c] = sum;
  }
}

// The addresses of the input's rows of channels that output pixel (n, y, x) sees.
void find_taps(const ConvGeometry& g, const uint8_t* input, const uint8_t* outside, int64_t n, int64_t y, int64_t x,
               const uint8_t** rows) {
  for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
    const int64_t row = y * g.stride_h - g.pad_h + ky * g.dilation_h;
    for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
      const int64_t column = x * g.stride_w - g.pad_w + kx * g.dilation_w;
      const bool inside = row >= 0 && row < g.in_h && column >= 0 && column < g.in_w;
      *rows++ = inside ? input + ((n * g.in_h + row) * g.in_w + column) * g.in_c : outside;
    }
  }
}

// The sums of kVectors vectors of channels from `channel` on.
template <int kVectors>
inline void sum_taps(const uint8_t* const* rows, int64_t channel, int64_t pairs, const int16_t* weight, int32_t* sums) {
  IntVec sum[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) sum[v] = zero_ints();
  for (int64_t pair = 0; pair < pairs; ++pair) {
    const uint8_t *first = rows[2 * pair] + channel, *second = rows[2 * pair + 1] + channel;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const IntVec w = load_pairs(weight + (v * pairs + pair) * kLanes * 2);
      sum[v] = sum[v] + multiply_pairs(pair_bytes(first + v * kLanes, second + v * kLanes), w);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) store(sums + v * kLanes, sum[v]);
}

// The same of fewer channels than a vector has.
inline void sum_taps_of(int64_t channels, const uint8_t* const* rows, int64_t channel, int64_t pairs,
                        const int16_t* weight, int32_t* sums) {
  IntVec sum = zero_ints();
  for (int64_t pair = 0; pair < pairs; ++pair) {
    uint8_t bytes[2][kLanes] = {};
    for (int64_t c = 0; c < channels; ++c) {
      bytes[0][c] = rows[2 * pair][channel + c];
      bytes[1][c] = rows[2 * pair + 1][channel + c];
    }
    sum = sum + multiply_pairs(pair_bytes(bytes[0], bytes[1]), load_pairs(weight + pair * kLanes * 2));
  }
  store(sums, sum);
}

template <Activation A>
inline void finish(const QuantizedConvArgs& args, const int32_t* weight_sums, int64_t pixel, int64_t channel,
                   int64_t channels, int32_t* sums) {
  for (int64_t c = 0; c < channels; ++c) sums[c] -= args.in.zero_point * weight_sums[channel + c];
  finish_sums<A>(args, sums, pixel, channel, channels);
}

template <Activation A>
void run_pixel(const ConvGeometry& g, const Layout& layout, const QuantizedConvArgs& args, const int32_t* packed,
               const uint8_t* const* rows, int64_t pixel) {
  constexpr int kVectors = 4;
  alignas(64) int32_t sums[kVectors * kLanes];
  const auto* weight = reinterpret_cast<const int16_t*>(packed + layout.vectors * kLanes);
  int64_t c = 0;
  for (; c + kVectors * kLanes <= g.in_c; c += kVectors * kLanes) {
    sum_taps<kVectors>(rows, c, layout.pairs, weight + c * layout.pairs * 2, sums);
    finish<A>(args, packed, pixel * g.out_c, c, kVectors * kLanes, sums);
  }
  for (; c + kLanes <= g.in_c; c += kLanes) {
    sum_taps<1>(rows, c, layout.pairs, weight + c * layout.pairs * 2, sums);
    finish<A>(args, packed, pixel * g.out_c, c, kLanes, sums);
  }
  if (c == g.in_c) return;
  sum_taps_of(g.in_c - c, rows, c, layout.pairs, weight + c * layout.pairs * 2, sums);
  finish<A>(args, packed, pixel * g.out_c, c, g.in_c - c, sums);
}

// A task is a row of outputs.
void quantized_depthwise_forward(const ConvGeometry& g, const QuantizedConvArgs& args) {
  const Layout layout(g);
  auto* workspace = static_cast<std::byte*>(args.workspace);
  const auto* packed = static_cast<const int32_t*>(args.prepared_weight);
  if (packed == nullptr) {
    auto* own = reinterpret_cast<int32_t*>(workspace);
    pack_weights(g, layout, args.weight, own);
    packed = own;
  }
  auto* outside = reinterpret_cast<uint8_t*>(workspace + layout.weight_bytes);
  for (int64_t c = 0; c < g.in_c; ++c) outside[c] = static_cast<uint8_t>(args.in.zero_point);
  with_activation(args.activation, [&](auto tag) {
    parallel_for(g.batch * g.out_h, [&](int64_t task, int worker) {
      auto* rows = reinterpret_cast<const uint8_t**>(workspace + layout.weight_bytes + layout.row_bytes +
                                                     static_cast<size_t>(worker) * layout.table_bytes);
      rows[2 * layout.pairs - 1] = outside;  // of an odd number of taps
      for (int64_t x = 0; x < g.out_w; ++x) {
        find_taps(g, args.input, outside, task / g.out_h, task % g.out_h, x, rows);
        run_pixel<decltype(tag)::value>(g, layout, args, packed, rows, task * g.out_w + x);
      }
    });
  });
}

size_t quantized_depthwise_workspace(const ConvGeometry& g) {
  const Layout layout(g);
  return layout.weight_bytes + layout.row_bytes + layout.table_bytes * static_cast<size_t>(thread_count());
}

size_t quantized_depthwise_prepared_bytes(const ConvGeometry& g) { return Layout(g).weight_bytes; }

void quantized_depthwise_prepare(const ConvGeometry& g, const int8_t* weight, void* into) {
  pack_weights(g, Layout(g), weight, static_cast<int32_t*>(into));
}

}  // namespace

const QuantizedConvKernels& quantized_depthwise_kernels() {
  static constexpr QuantizedConvKernels kKernels{quantized_depthwise_forward, quantized_depthwise_workspace,
                                                 quantized_depthwise_prepared_bytes, quantized_depthwise_prepare};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
