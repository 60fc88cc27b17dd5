// Depthwise convolution of bytes: the taps of a pixel are taken two at a time, as the dense kernel takes its channels.
// Taps outside the input read a row of zero points, and sums begin with what all of the zero points' products are less.
#include "core/parallel.h"
#include "kernels/isa/integers.h"
#include "kernels/isa/quantized_epilogue.h"
#include "kernels/quantized_conv.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Channels are worked on in blocks of four vectors, in the order of pair_bytes, and what is left vector by vector.
constexpr int64_t kBlock = 4 * kLanes;

// What is made of the weights: the sums of every channel's, then the pairs of taps, [block][pair][kBlock][2] and
// [vector][pair][kLanes][2]. Workspace: that, what sums begin with, a row of zero points, the addresses of the taps for
// each worker.
struct Layout {
  int64_t taps, pairs, vectors;
  size_t weight_bytes, start_bytes, row_bytes, table_bytes;

  explicit Layout(const ConvGeometry& g) {
    taps = g.kernel_h * g.kernel_w;
    pairs = ceil_div(taps, 2);
    vectors = ceil_div(g.in_c, kLanes);
    weight_bytes = align(static_cast<size_t>(vectors * kLanes * (pairs + 1)) * sizeof(int32_t));
    start_bytes = align(static_cast<size_t>(vectors * kLanes) * sizeof(int32_t));
    row_bytes = align(static_cast<size_t>(g.in_c));
    table_bytes = align(static_cast<size_t>(2 * pairs) * sizeof(const uint8_t*));
  }
};

void pack_weights(const ConvGeometry& g, const Layout& layout, const int8_t* weight, int32_t* packed) {
  const int64_t lanes = layout.vectors * kLanes, in_blocks = g.in_c / kBlock * kBlock;
  auto* pairs = reinterpret_cast<int16_t*>(packed + lanes);
  for (int64_t place = 0; place < lanes; ++place) {
    const int64_t width = place < in_blocks ? kBlock : kLanes;
    const int64_t begin = place / width * width, within = place % width;
    const int64_t c = place < in_blocks ? begin + lane_place(within / kLanes, within % kLanes) : place;
    int16_t* to = pairs + (begin * layout.pairs + within) * 2;
    int32_t sum = 0;
    for (int64_t tap = 0; tap < 2 * layout.pairs; ++tap) {
      const int16_t w = c < g.in_c && tap < layout.taps ? weight[tap * g.in_c + c] : int16_t{0};
      to[tap / 2 * width * 2 + tap % 2] = w;
      sum += w;
    }
    packed[c] = sum;
  }
}

// The addresses of the input's rows of channels that an output pixel sees, from the left to the right of a row.
class Taps {
 public:
  Taps(const ConvGeometry& g, const uint8_t* input, const uint8_t* outside, const uint8_t** rows)
      : g_(g), input_(input), outside_(outside), rows_(rows) {}

  void move_to(int64_t n, int64_t y, int64_t x) {
    const int64_t top = y * g_.stride_h - g_.pad_h, left = x * g_.stride_w - g_.pad_w;
    const bool inside = top >= 0 && top + (g_.kernel_h - 1) * g_.dilation_h < g_.in_h && left >= 0 &&
                        left + (g_.kernel_w - 1) * g_.dilation_w < g_.in_w;
    if (inside && was_inside_ && x > 0) {
      for (int64_t tap = 0; tap < g_.kernel_h * g_.kernel_w; ++tap) rows_[tap] += g_.stride_w * g_.in_c;
      return;
    }
    was_inside_ = inside;
    const uint8_t** next = rows_;
    for (int64_t ky = 0; ky < g_.kernel_h; ++ky) {
      const int64_t row = top + ky * g_.dilation_h;
      for (int64_t kx = 0; kx < g_.kernel_w; ++kx) {
        const int64_t column = left + kx * g_.dilation_w;
        const bool is_there = row >= 0 && row < g_.in_h && column >= 0 && column < g_.in_w;
        *next++ = is_there ? input_ + ((n * g_.in_h + row) * g_.in_w + column) * g_.in_c : outside_;
      }
    }
  }

 private:
  const ConvGeometry& g_;
  const uint8_t* input_;
  const uint8_t* outside_;
  const uint8_t** rows_;
  bool was_inside_ = false;
};

// A pixel's sums, of any of its channels.
struct PixelSums {
  const uint8_t* const* rows;
  int64_t pairs;
  const int32_t* start;
  const int16_t* weight;

  // Of a block of channels.
  void sum_block(int64_t channel, int32_t* sums) const {
    IntVec sum[4];
    for (IntVec& s : sum) s = zero_ints();
    const int16_t* w = weight + channel * pairs * 2;
    for (int64_t pair = 0; pair < pairs; ++pair, w += kBlock * 2) {
      IntVec x[4];
      pair_bytes(rows[2 * pair] + channel, rows[2 * pair + 1] + channel, x);
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) sum[v] = sum[v] + multiply_pairs(x[v], load_bits(w + v * kLanes * 2));
    }
    sort_lanes(sum);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) store(sums + v * kLanes, load(start + channel + v * kLanes) + sum[v]);
  }

  // Of the `channels` of a vector that are there.
  void sum_vector(int64_t channel, int64_t channels, int32_t* sums) const {
    IntVec sum = load(start + channel);
    const int16_t* w = weight + channel * pairs * 2;
    for (int64_t pair = 0; pair < pairs; ++pair, w += kLanes * 2) {
      const uint8_t *first = rows[2 * pair] + channel, *second = rows[2 * pair + 1] + channel;
      uint8_t part[2][kLanes] = {};
      if (channels < kLanes) {
        for (int64_t c = 0; c < channels; ++c) {
          part[0][c] = first[c];
          part[1][c] = second[c];
        }
        first = part[0];
        second = part[1];
      }
      sum = sum + multiply_pairs(pair_bytes(first, second), load_bits(w));
    }
    store(sums, sum);
  }
};

void run_pixel(const PixelSums& pixel, const QuantizedEpilogue& epilogue, int64_t channels, int64_t index) {
  alignas(64) int32_t sums[kBlock];
  const auto finish = [&](int64_t channel, int64_t count) {
    epilogue.finish({.sums = sums, .pitch = kBlock, .first = index, .count = 1, .channel = channel, .channels = count});
  };
  int64_t c = 0;
  for (; c + kBlock <= channels; c += kBlock) {
    pixel.sum_block(c, sums);
    finish(c, kBlock);
  }
  for (; c < channels; c += kLanes) {
    const int64_t count = smaller<int64_t>(kLanes, channels - c);
    pixel.sum_vector(c, count, sums);
    finish(c, count);
  }
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
  auto* start = reinterpret_cast<int32_t*>(workspace + layout.weight_bytes);
  for (int64_t c = 0; c < layout.vectors * kLanes; ++c) start[c] = -args.in.zero_point * packed[c];
  auto* outside = reinterpret_cast<uint8_t*>(workspace + layout.weight_bytes + layout.start_bytes);
  for (int64_t c = 0; c < g.in_c; ++c) outside[c] = static_cast<uint8_t>(args.in.zero_point);
  const QuantizedEpilogue epilogue(args, g.out_c);
  parallel_for(g.batch * g.out_h, [&](int64_t task, int worker) {
    auto* rows = reinterpret_cast<const uint8_t**>(workspace + layout.weight_bytes + layout.start_bytes +
                                                   layout.row_bytes + static_cast<size_t>(worker) * layout.table_bytes);
    rows[2 * layout.pairs - 1] = outside;  // of an odd number of taps
    Taps taps(g, args.input, outside, rows);
    const PixelSums pixel{.rows = rows,
                          .pairs = layout.pairs,
                          .start = start,
                          .weight = reinterpret_cast<const int16_t*>(packed + layout.vectors * kLanes)};
    for (int64_t x = 0; x < g.out_w; ++x) {
      taps.move_to(task / g.out_h, task % g.out_h, x);
      run_pixel(pixel, epilogue, g.out_c, task * g.out_w + x);
    }
  });
}

size_t quantized_depthwise_workspace(const ConvGeometry& g) {
  const Layout layout(g);
  return layout.weight_bytes + layout.start_bytes + layout.row_bytes +
         layout.table_bytes * static_cast<size_t>(thread_count());
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
