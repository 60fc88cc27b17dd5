// Depthwise forward and input gradient as one: a correlation, block by block of what the caches hold.
#pragma once

#include "core/parallel.h"
#include "kernels/isa/depthwise_move.h"
#include "kernels/isa/depthwise_run.h"

namespace convoy::kernels::CONVOY_ISA {

// Results of a task, at least, so that tasks reread few rows of their neighbours.
inline constexpr int64_t kTaskPixels = 1024;
// At least, so that threads finish together.
inline constexpr int64_t kTasksPerThread = 4;

// Rows of a block, counted through all images: few enough that the results are still in the cache when they are
// activated.
inline int64_t block_rows(int64_t width) { return larger<int64_t>(1, kDepthwiseTilePixels / width); }

// Channels that go together where the sources are packed: as many as the first cache holds, up to four registers.
// A register of channels needs `rows` rows of `width` pixels and the kernel.
inline int64_t packed_channels(int64_t rows, int64_t width, int64_t taps) {
  constexpr int64_t kCacheBytes = 32768;
  const int64_t vectors = kCacheBytes / ((rows * width + taps) * kLanes * static_cast<int64_t>(sizeof(float)));
  return kLanes * larger<int64_t>(1, smaller<int64_t>(4, vectors));
}

struct Correlation {
  int64_t batch, channels;
  AxisGeometry vertical, horizontal;

  int64_t source_pixels() const { return vertical.sources() * horizontal.sources(); }  // of one image
  int64_t rows() const { return batch * vertical.results(); }
  int64_t width() const { return horizontal.results(); }
  int64_t taps() const { return vertical.kernel * horizontal.kernel; }

  // Whether the images of a block and the kernel are first copied, a few channels next to each other: pixels that are
  // a power of two apart would push each other out of the first cache.
  bool packed() const {
    constexpr int64_t kMaxPixels = 4096;
    return taps() > kSmallKernel && horizontal.phases() == 1 && source_pixels() <= kMaxPixels;
  }
  int64_t channel_block() const {
    if (!packed()) return kMaxChannelBlock;
    const auto used = [](const AxisGeometry& a) { return smaller(a.kernel, 2 * a.sources()); };
    return packed_channels(smaller(vertical.kernel, vertical.sources()), horizontal.sources(),
                           used(vertical) * used(horizontal));
  }
  // Images that a block of rows can touch.
  int64_t block_images() const { return (block_rows(width()) - 1) / vertical.results() + 2; }

  // Scratch memory of a worker, in floats: packed images, packed kernel.
  int64_t packed_source_floats() const { return packed() ? block_images() * source_pixels() * channel_block() : 0; }
  int64_t packed_weight_floats() const { return packed() ? taps() * channel_block() : 0; }
  int64_t scratch_floats() const { return packed_source_floats() + packed_weight_floats(); }
};

template <class Map>
struct CorrelationArgs {
  const Map* source;
  const float* weight;
  const float* bias;
  const Map* addend;
  Map* result;
  Activation activation;
  Map* activated;
  float* statistics;  // of tiles of block_rows(width) rows
  float* workspace;   // thread_count() * scratch_floats()

  bool activates_in_registers() const { return activated == result && !statistics && is_cheap(activation); }
};

// What the runs of a block have in common; pointers are to the block's first channel.
template <class Map>
struct Block {
  int64_t row_begin, row_end, channels;  // rows from the first of `source` on
  const Map* source;
  const float* weight;
  int64_t source_step;  // elements from one pixel or tap to the next
  const float* bias;
  const Map* addend;  // row_begin
  Map* result;        // row_begin
  bool streamed;
  Activation activation;  // as Run::activation
  float *sums, *shifts;   // as Run::sums
};

// The results of one phase of columns along one row, of the channels [c, c + channels) of the block.
template <class Map>
inline void correlate_row(const Correlation& k, const Block<Map>& block, const Axis& y, const Axis& x, int64_t row,
                          const RunKernel<Map>* kernels, int64_t c, int64_t channels) {
  const int64_t image = row / k.vertical.results(), t = row % k.vertical.results() / k.vertical.phases();
  const TapRange rows = taps_inside(y, t);
  const int64_t source_y = image * k.vertical.sources() + y.origin + y.stride * t + y.dilation * rows.begin;
  const int64_t weight_y = y.weight_first + y.weight_step * rows.begin;
  const int64_t width = k.horizontal.sources();

  Run<Map> run;
  run.source = block.source + source_y * width * block.source_step + c;
  run.weight = block.weight + (weight_y * k.horizontal.kernel + x.weight_first) * block.source_step + c;
  run.bias = block.bias ? block.bias + c : nullptr;
  run.channels = channels;
  run.tap_rows = rows.end - rows.begin;
  run.source_row_step = y.dilation * width * block.source_step;
  run.weight_row_step = y.weight_step * k.horizontal.kernel * block.source_step;
  run.source_pixel_step = block.source_step;
  run.weight_tap_step = x.weight_step * block.source_step;
  run.result_step = x.result_step * k.channels;
  float held[kHeldFloats];
  run.streamed = block.streamed;
  run.held = held;
  run.activation = block.activation;
  run.sums = block.sums ? block.sums + c : nullptr;
  run.shifts = block.shifts + c;
  run.columns = width;
  run.taps = x.taps;
  run.stride = x.stride;
  run.dilation = x.dilation;
  // Pixels that a power of two lies between share few sets of the first cache: the fewer go together the better, and
  // runs of 4 take whole lines.
  const bool crowded = block.source_step % 256 == 0 && x.count % 4 == 0;
  for (int64_t begin = 0, length; begin < x.count; begin += length) {
    length = crowded ? smaller<int64_t>(4, run_length(x.count - begin)) : run_length(x.count - begin);
    const int64_t pixel = (row - block.row_begin) * k.width() + x.result_first + x.result_step * begin;
    run.result = block.result + pixel * k.channels + c;
    run.addend = block.addend ? block.addend + pixel * k.channels + c : nullptr;
    run.earlier_share = pixel > 0 ? 1.0F / static_cast<float>(pixel) : 0.0F;
    run.merge_weight = static_cast<float>(pixel * length) / static_cast<float>(pixel + length);
    run.first_column = x.origin + x.stride * begin;
    kernels[length](run);
  }
}

template <class Map>
inline void correlate_block(const Correlation& k, const Block<Map>& block) {
  Axis y = axis_of(k.vertical, 0);
  for (int64_t phase = 0; phase < smaller(k.horizontal.phases(), k.width()); ++phase) {
    const Axis x = axis_of(k.horizontal, phase);
    const RunKernel<Map>* const kernels = fastest_kernels<Map>(x);
    const int64_t main = kernels == generic_kernels<Map>() ? block.channels : unrolled_channels(block.channels);
    for (int64_t row = block.row_begin; row < block.row_end; ++row) {
      if (k.vertical.phases() > 1) y = axis_of(k.vertical, row % k.vertical.results() % k.vertical.phases());
      if (main > 0) correlate_row(k, block, y, x, row, kernels, 0, main);
      if (main < block.channels)
        correlate_row(k, block, y, x, row, generic_kernels<Map>(), main, block.channels - main);
    }
  }
}

// The rows [row_begin, row_end) of the channels [c, c + channels).
template <class Map>
inline void correlate_task(const Correlation& k, const CorrelationArgs<Map>& args, int64_t row_begin, int64_t row_end,
                           int64_t c, int64_t channels, float* scratch) {
  const int64_t height = block_rows(k.width()), floats = k.rows() * k.width() * k.channels;
  constexpr int64_t kLine = 64 / sizeof(Map);
  auto* const packed_source = reinterpret_cast<Map*>(scratch);
  float shifts[kMaxChannelBlock], sums[2 * kMaxChannelBlock];
  float* const packed_weight = scratch + k.packed_source_floats();

  Block<Map> block;
  block.channels = channels;
  block.source = args.source + c;
  block.weight = args.weight + c;
  block.source_step = k.channels;
  block.bias = args.bias ? args.bias + c : nullptr;
  block.sums = args.statistics ? sums : nullptr;
  block.shifts = shifts;
  const bool in_registers = args.activates_in_registers(), activated_later = args.activated && !in_registers;
  block.activation = in_registers ? args.activation : Activation::none;
  // Activations are taken from results that are in the cache.
  block.streamed =
      !activated_later && k.channels % kLine == 0 && channels % kLine == 0 && streams(floats, args.result, args.addend);
  if (k.packed()) {
    pack_pixels(args.weight + c, k.channels, k.taps(), channels, packed_weight);
    block.weight = packed_weight;
    block.source_step = channels;
  }
  int64_t packed_begin = 0, packed_end = 0;  // images
  for (int64_t row = row_begin; row < row_end; row += height) {
    const int64_t end = smaller(row_end, row + height);
    const int64_t first = row / k.vertical.results(), last = (end - 1) / k.vertical.results();
    if (k.packed() && (first < packed_begin || last >= packed_end)) {
      packed_begin = first;
      packed_end = last + 1;
      pack_pixels(args.source + first * k.source_pixels() * k.channels + c, k.channels,
                  (packed_end - first) * k.source_pixels(), channels, packed_source);
      block.source = packed_source;
    }
    block.row_begin = row - packed_begin * k.vertical.results();
    block.row_end = end - packed_begin * k.vertical.results();
    const int64_t pixels = (end - row) * k.width(), at = row * k.width() * k.channels + c;
    block.addend = args.addend ? args.addend + at : nullptr;
    block.result = args.result + at;
    if (args.statistics) {
      for (float& sum : sums) sum = 0.0F;
    }
    correlate_block(k, block);
    if (args.statistics) {
      float* const statistics = args.statistics + row / height * 2 * k.channels + c;
      for (int64_t i = 0; i < channels; ++i) {
        statistics[i] = sums[i] + static_cast<float>(pixels) * shifts[i];
        statistics[k.channels + i] = sums[kMaxChannelBlock + i];
      }
    }
    if (activated_later) {
      const bool streamed = streams_rows(floats, k.channels, args.activated, args.result);
      activate_pixels(args.activation, block.result, k.channels, args.activated + at, k.channels, pixels, channels,
                      streamed);
    }
  }
  stream_end();
}

template <class Map>
inline void correlate(const Correlation& k, const CorrelationArgs<Map>& args) {
  const int64_t channel_block = k.channel_block(), channel_blocks = ceil_div(k.channels, channel_block);
  // Packed sources are of whole images, which tasks share out by channels.
  const int64_t unit = k.packed() || args.statistics ? block_rows(k.width()) : 1;
  int64_t units = ceil_div(kTaskPixels, unit * k.width());
  if (!k.packed()) {
    const int64_t fair = ceil_div(k.rows(), unit) * channel_blocks / (kTasksPerThread * thread_count());
    units = larger<int64_t>(1, smaller(units, fair));
  }
  const int64_t task_rows = unit * units;
  parallel_for(ceil_div(k.rows(), task_rows) * channel_blocks, [&](int64_t task, int worker) {
    const int64_t row = task / channel_blocks * task_rows, c = task % channel_blocks * channel_block;
    correlate_task(k, args, row, smaller(k.rows(), row + task_rows), c, smaller(channel_block, k.channels - c),
                   args.workspace + worker * k.scratch_floats());
  });
}

}  // namespace convoy::kernels::CONVOY_ISA
