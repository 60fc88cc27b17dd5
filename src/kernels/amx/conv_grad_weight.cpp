// Weight gradient: grad_weight[t][c][o] = sum over output pixels p of input[pixel(p, t)][c] * grad_output[p][o], the
// pixels being what tiles reduce over.
//
// A task has some channels and some outputs, whose sums stay in the second cache while it goes through the pixels block
// by block. Of each block it packs grad_output, turned, as tiles of rows, and the input's channels as tiles of columns,
// in which pairs of neighbouring pixels lie side by side: for each tap; or once for pairs that begin with an even pixel
// and once for the others, from which all taps' tiles are read where they are (Grid); or, where a pixel has few
// channels, once for the values of all taps side by side, as if they were the channels of one (conv_windows.h). The
// sums are turned when they become gradients.
//
// Bound: as for the other directions, a product of tiles takes 16 cycles. With operands from the second cache it takes
// 18 to 23; the rest of the time is packing, and what is written of the gradients.
#include "kernels/amx/conv_grad_weight.h"

#include "core/parallel.h"
#include "kernels/amx/conv_windows.h"
#include "kernels/amx/tile.h"
#include "kernels/isa/conv_copies.h"
#include "kernels/isa/conv_gather.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Positions of a block.
constexpr int64_t kBlockPixels = 1024;
// Elements of a tile of outputs with all positions.
constexpr int64_t kPanelElements = kBlockPixels * kTileRows;
// Channels and outputs of the sums in the tile registers.
constexpr int64_t kPair = 2 * kTileRows;
// Channels, outputs and sums of a task at the most.
constexpr int64_t kTaskChannels = 256, kTaskOutputs = 256;
constexpr int64_t kTaskSums = 160 * 1024;
// Tasks that a problem should have, of at least so many blocks each, or the copies of the sums take as long as the
// sums; and tasks that it should have all the same, so that a few threads have something to do.
constexpr int64_t kTasks = 16, kTaskBlocks = 3, kFewTasks = 4;

template <class Element>
using Table = GatherTable<kBlockPixels, Element>;

// The positions that are reduced over: the pixels of the result, row by row; and where it saves time positions between
// rows and between images besides, at which grad_output is taken for zero, so that what a tap meets at a position is
// what lies a fixed number of positions further on in a grid of the same rows of the input.
struct Grid {
  // Positions from a row to the next one, and rows from an image to the next one.
  int64_t width, height;
  // Whether all taps read it; positions from a pixel to what the first tap meets, and from there to the last one's.
  bool is_shared = false;
  int64_t first = 0, beyond = 0;

  explicit Grid(const Gather& gather) : width(gather.x.count), height(gather.y.count) {}

  // Packed once for `pairs` pairs of tiles of outputs, if that takes less time.
  Grid(const Gather& gather, int64_t pairs) : Grid(gather) {
    constexpr double kPacking = 240, kProduct = 85;  // cycles of a pair of tiles, of their product, as measured
    constexpr int64_t kMostBeyond = kBlockPixels;
    const Axis x(gather.x), y(gather.y);
    if (gather.windows || gather.taps() == 1 || !x.is_regular || !y.is_regular) return;
    const double product = kProduct * static_cast<double>(gather.taps() * pairs);
    const double spread = static_cast<double>(x.positions * y.positions) / static_cast<double>(width * height);
    if (spread * (2 * kPacking + product) >= static_cast<double>(gather.taps()) * kPacking + product) return;
    const int64_t last =
        (gather.y.taps - 1) * gather.y.offset_step * x.positions + (gather.x.taps - 1) * gather.x.offset_step;
    if (last > kMostBeyond) return;
    width = x.positions;
    height = y.positions;
    is_shared = true;
    first = gather.y.offset_first * width + gather.x.offset_first;
    beyond = last;
  }

  // Positions from the first tap's to another one's.
  int64_t shift(const Gather& gather, int64_t tap) const {
    return tap / gather.x.taps * gather.y.offset_step * width + tap % gather.x.taps * gather.x.offset_step;
  }

 private:
  // What lies left of a row, or above an image, are the positions between it and the one before.
  struct Axis {
    int64_t positions;
    bool is_regular;

    explicit Axis(const GatherAxis& axis) {
      const int64_t last = axis.offset_first + (axis.taps - 1) * axis.offset_step;
      positions = axis.count + larger<int64_t>(0, larger(-axis.offset_first, last));
      is_regular = axis.source_step == 1 && axis.offset_step >= 1 &&
                   (axis.offset_first >= 0 || axis.source_extent <= positions + axis.offset_first);
    }
  };
};

// Tasks: groups x chunks of channels x chunks of outputs x splits of the positions. With several splits each sums into
// its own copy of the gradients in the workspace, and the copies are added up in order.
struct Partition {
  Gather gather;
  int64_t taps, values;  // which have so many values each: those of windows are one
  Grid grid;
  int64_t channels, outputs;  // of a chunk, in whole pairs of tiles
  int64_t channel_chunks, output_chunks, blocks, splits;
  int64_t channel_positions;  // of a block that channels are packed of, a multiple of kTileDepth

  explicit Partition(const ConvGeometry& geometry)
      : gather(forward_gather(geometry)),
        taps(gather.windows ? 1 : gather.taps()),
        values(gather.channels * gather.taps() / taps),
        grid(gather) {
    const auto chunk = [](int64_t count, int64_t most) {
      return ceil_div(ceil_div(count, ceil_div(count, most)), kPair) * kPair;
    };
    outputs = chunk(gather.outputs, kTaskOutputs);
    const int64_t fitting = kTaskSums / (taps * outputs) / kPair * kPair;
    channels = chunk(values, larger(kPair, smaller(kTaskChannels, fitting)));
    channel_chunks = ceil_div(values, channels);
    output_chunks = ceil_div(gather.outputs, outputs);
    grid = Grid(gather, outputs / kPair);
    blocks = ceil_div(positions(), kBlockPixels);
    splits = larger(smaller(ceil_div(kTasks, columns()), blocks / kTaskBlocks),
                    smaller(ceil_div(kFewTasks, columns()), blocks));
    channel_positions = ceil_div(kBlockPixels + grid.beyond, kTileDepth) * kTileDepth;
  }

  int64_t positions() const { return gather.batch * grid.height * grid.width; }
  int64_t columns() const { return gather.groups * channel_chunks * output_chunks; }
  int64_t gradients() const { return taps * values * gather.result_pitch(); }
  // Elements of a tile of channels with all positions, and of all channels.
  int64_t panel() const { return channel_positions * kTileRows; }
  int64_t packed_channels() const { return channel_positions * channels; }
  // Elements from a pixel's windows to the next one's, side by side.
  int64_t windows_pitch() const { return ceil_div(values, kTileDepth) * kTileDepth; }
};

// Where a pixel has few channels: the windows of a block's pixels, those of a pixel side by side.
struct Windows {
  const Bf16** at;  // [kBlockPixels]
  TileBlock* blocks;
  Bf16 *copies, *rows;  // of the source's rows; a row a pixel

  static size_t bytes(const Partition& partition) {
    return kAtBytes + kBlocksBytes + copies_bytes(partition) +
           static_cast<size_t>(kBlockPixels * partition.windows_pitch()) * sizeof(Bf16);
  }
  Windows(const Partition& partition, std::byte* memory)
      : at(reinterpret_cast<const Bf16**>(memory)),
        blocks(reinterpret_cast<TileBlock*>(memory + kAtBytes)),
        copies(reinterpret_cast<Bf16*>(memory + kAtBytes + kBlocksBytes)),
        rows(copies + copies_bytes(partition) / sizeof(Bf16)) {}

  // Of `count` pixels from `first` on.
  template <class Element>
  void fill(const Partition& partition, const Element* input, const Element* zeros, int64_t first, int64_t count) {
    const Gather& gather = partition.gather;
    const WindowLayout layout(gather);
    const int64_t made = pack_windows(gather, input, zeros, first, count, false, copies, blocks);
    for (int64_t i = 0; i < count; ++i) at[i] = rows + i * partition.windows_pitch();
    for (int64_t block = 0; block < made; ++block) {
      const auto copy_run = [&](int64_t place, int64_t pixel, int64_t pixels) {
        copy_windows(gather, layout, copies + blocks[block].at + place * layout.pitch, pixels,
                     rows + pixel * partition.windows_pitch(), partition.windows_pitch());
      };
      each_run(gather, blocks[block], layout.gap, false, copy_run);
    }
  }

 private:
  static constexpr size_t kAtBytes = kBlockPixels * sizeof(void*), kBlocksBytes = kBlockPixels * sizeof(TileBlock);
  static size_t copies_bytes(const Partition& partition) {
    if (!partition.gather.windows) return 0;
    const int64_t elements = WindowLayout(partition.gather).elements(partition.gather, kBlockPixels);
    return align(static_cast<size_t>(elements + kTileDepth) * sizeof(Bf16));
  }
  static void copy_windows(const Gather& gather, const WindowLayout& layout, const Bf16* from, int64_t pixels, Bf16* to,
                           int64_t pitch) {
    for (int64_t tap = 0; tap < gather.taps(); ++tap) {
      for (int64_t c = 0; c < gather.channels; c += kTileDepth) {
        const Bf16* window = from + layout.tap_row(gather, tap) * layout.row + c;
        Bf16* row = to + tap * gather.channels + c;
        const auto mask = static_cast<__mmask32>((uint64_t{1} << smaller(kTileDepth, gather.channels - c)) - 1U);
        for (int64_t i = 0; i < pixels; ++i) {
          _mm512_mask_storeu_epi16(row + i * pitch, mask, _mm512_loadu_si512(window + i * layout.pitch));
        }
      }
    }
  }
};

// A worker's memory: where a block's pixels are, its tiles of channels and of grad_output, and the sums
// [tap][pair of tiles of channels][pair of tiles of outputs][2][2][16 outputs][16 channels].
template <class Element>
struct Scratch {
  // One of these.
  Windows windows;
  Table<Element> table;
  const Element** channels_at;  // [channel_positions + 1]; where taps share a grid

  const Bf16** outputs_at;  // [kBlockPixels]
  Bf16 *columns, *rows;
  float* sums;

  static size_t source_bytes(const Partition& partition) {
    if (partition.gather.windows) return align(Windows::bytes(partition));
    return partition.grid.is_shared ? align(static_cast<size_t>(partition.channel_positions + 1) * sizeof(void*))
                                    : align(Table<Element>::bytes(partition.gather));
  }
  static size_t bytes(const Partition& partition) {
    const int64_t packed =
        (partition.grid.is_shared ? 2 : 1) * partition.packed_channels() + kBlockPixels * partition.outputs;
    const int64_t sums = partition.taps * partition.channels * partition.outputs;
    return source_bytes(partition) + kOutputsBytes + static_cast<size_t>(packed) * sizeof(Bf16) +
           static_cast<size_t>(sums) * sizeof(float);
  }
  Scratch(const Partition& partition, std::byte* memory)
      : windows(partition, memory),
        table(partition.gather, memory),
        channels_at(reinterpret_cast<const Element**>(memory)),
        outputs_at(reinterpret_cast<const Bf16**>(memory + source_bytes(partition))),
        columns(reinterpret_cast<Bf16*>(memory + source_bytes(partition) + kOutputsBytes)),
        rows(columns + (partition.grid.is_shared ? 2 : 1) * partition.packed_channels()),
        sums(reinterpret_cast<float*>(rows + kBlockPixels * partition.outputs)) {}

 private:
  static constexpr size_t kOutputsBytes = kBlockPixels * sizeof(void*);
};

// Addresses of `count` positions of a grid from `first` on, of images of height x width pixels; zeros where there is no
// pixel.
template <class Number>
void locate(const Grid& grid, int64_t batch, int64_t height, int64_t width, const Number* pixels, int64_t pitch,
            const Number* zeros, int64_t first, int64_t count, const Number** at) {
  int64_t i = 0;
  for (; i < smaller(count, -first); ++i) at[i] = zeros;
  while (i < count) {
    const int64_t x = (first + i) % grid.width, row = (first + i) / grid.width;
    const int64_t y = row % grid.height, image = row / grid.height;
    const int64_t run = smaller(count - i, grid.width - x);
    const int64_t there = image < batch && y < height ? larger<int64_t>(0, smaller(run, width - x)) : 0;
    const Number* pixel = pixels + ((image * height + y) * width + x) * pitch;
    for (int64_t k = 0; k < there; ++k) at[i + k] = pixel + k * pitch;
    for (int64_t k = there; k < run; ++k) at[i + k] = zeros;
    i += run;
  }
}

// Two tiles of columns, [16 pairs of positions][16 values][2], from `count` values of 32 positions, from `first` on.
// The values are in the order of value_of_row(): pairs are made within lanes of 128 bits.
template <class Number>
void pack_paired(const Number* const* at, int64_t first, int64_t count, Bf16* low, Bf16* high) {
#pragma GCC unroll 16
  for (int pair = 0; pair < kTileRows; ++pair) {
    const __m512i even = row_of(at[2 * pair] + first, count), odd = row_of(at[2 * pair + 1] + first, count);
    store_row(low + pair * kTileDepth, _mm512_unpacklo_epi16(even, odd));
    store_row(high + pair * kTileDepth, _mm512_unpackhi_epi16(even, odd));
  }
}

// Two tiles of rows, [16 values][32 positions], likewise. What lies a little further on is fetched: from memory 1.1 to
// 1.5 times as fast.
template <class Number>
void pack_turned(const Number* const* at, int64_t first, int64_t count, Bf16* low, Bf16* high) {
  constexpr int64_t kAhead = 1024;
  Vec rows[kTileRows];
#pragma GCC unroll 16
  for (int pair = 0; pair < kTileRows; ++pair) {
    __builtin_prefetch(at[2 * pair] + first + kAhead);
    __builtin_prefetch(at[2 * pair + 1] + first + kAhead);
    const __m512i even = row_of(at[2 * pair] + first, count), odd = row_of(at[2 * pair + 1] + first, count);
    rows[pair].v = _mm512_castsi512_ps(_mm512_unpacklo_epi16(even, odd));
    store_row(high + pair * kTileDepth, _mm512_unpackhi_epi16(even, odd));
  }
  transpose(rows);
  for (int i = 0; i < kTileRows; ++i) store_row(low + i * kTileDepth, _mm512_castps_si512(rows[i].v));
  transpose_pairs(high);
}

// Which row or column, of both tiles, is value v of 32, and the other way round.
constexpr int64_t row_of_value(int64_t v) { return v / 4 % 2 * kTileRows + v / 8 * 4 + v % 4; }
constexpr int64_t value_of_row(int64_t row) { return row % kTileRows / 4 * 8 + row / kTileRows * 4 + row % 4; }

template <class Element>
class Task {
 public:
  Task(const Partition& partition, int64_t group, int64_t channel_chunk, int64_t output_chunk)
      : partition_(partition),
        gather_(partition.gather),
        channel_(channel_chunk * partition.channels),
        channels_(smaller(partition.channels, partition.values - channel_)),
        output_(output_chunk * partition.outputs),
        outputs_(smaller(partition.outputs, gather_.outputs - output_)),
        source_(group * gather_.channels + channel_),
        result_(group * gather_.outputs + output_) {}

  void run(const Element* input, const Bf16* grad_output, const Element* zeros, int64_t split,
           Scratch<Element>& scratch, float* gradients, float* bias) const {
    const bool fetches = core_is_shared();
    const Grid& grid = partition_.grid;
    const int64_t first = partition_.blocks * split / partition_.splits;
    const int64_t last = partition_.blocks * (split + 1) / partition_.splits;
    for (int64_t block = first; block < last; ++block) {
      const int64_t position = block * kBlockPixels;
      const int64_t steps = ceil_div(smaller(kBlockPixels, partition_.positions() - position), kTileDepth);
      const bool is_first = block == first;
      locate(grid, gather_.batch, gather_.y.count, gather_.x.count, grad_output + result_, gather_.result_pitch(),
             reinterpret_cast<const Bf16*>(zeros), position, steps * kTileDepth, scratch.outputs_at);
      pack(scratch.outputs_at, outputs_, steps, kPanelElements, scratch.rows, pack_turned);
      if (bias != nullptr && channel_ == 0) sum_pixels(scratch.outputs_at, steps, is_first, bias + result_);
      const int64_t pixels = smaller(kBlockPixels, gather_.pixels() - position);
      if (gather_.windows) {
        Windows& windows = scratch.windows;
        windows.fill(partition_, input, zeros, position, pixels);
        for (int64_t i = 0; i < pixels; ++i) windows.at[i] += channel_;
        for (int64_t i = pixels; i < steps * kTileDepth; ++i) windows.at[i] = reinterpret_cast<const Bf16*>(zeros);
        pack(windows.at, channels_, steps, partition_.panel(), scratch.columns, pack_paired);
        multiply_tap(scratch, scratch.columns, 0, steps, is_first, fetches);
        continue;
      }
      if (!grid.is_shared) {
        scratch.table.fill(gather_, input + source_, zeros, position, pixels);
        for (int64_t tap = 0; tap < gather_.taps(); ++tap) {
          const Element** sources = scratch.table.sources + tap * kBlockPixels;
          for (int64_t i = pixels; i < steps * kTileDepth; ++i) sources[i] = zeros;
          pack(sources, channels_, steps, partition_.panel(), scratch.columns, pack_paired);
          multiply_tap(scratch, scratch.columns, tap, steps, is_first, fetches);
        }
        continue;
      }
      const int64_t channel_steps = ceil_div(steps * kTileDepth + grid.beyond, kTileDepth);
      locate(grid, gather_.batch, gather_.y.source_extent, gather_.x.source_extent, input + source_,
             gather_.source_pitch, zeros, position + grid.first, channel_steps * kTileDepth + 1, scratch.channels_at);
      for (int64_t odd = 0; odd < 2; ++odd) {
        pack(scratch.channels_at + odd, channels_, channel_steps, partition_.panel(),
             scratch.columns + odd * partition_.packed_channels(), pack_paired);
      }
      for (int64_t tap = 0; tap < gather_.taps(); ++tap) {
        const int64_t shift = grid.shift(gather_, tap);
        multiply_tap(scratch, scratch.columns + shift % 2 * partition_.packed_channels() + shift / 2 * kTileDepth, tap,
                     steps, is_first, fetches);
      }
    }
    unpack(scratch.sums, gradients);
  }

 private:
  // tiles[tile][step][16 rows][32] of `count` values of each position, packed so, two tiles at a time; an odd number of
  // tiles is made even with zeros.
  template <class Number>
  static void pack(const Number* const* at, int64_t count, int64_t steps, int64_t panel, Bf16* tiles,
                   void (*packed_so)(const Number* const* at, int64_t first, int64_t values, Bf16* low, Bf16* high)) {
    for (int64_t step = 0; step < steps; ++step) {
      for (int64_t first = 0; first < count; first += kPair) {
        Bf16* low = tiles + first / kTileRows * panel + step * kTileElements;
        packed_so(at + step * kTileDepth, first, smaller(kPair, count - first), low, low + panel);
      }
    }
  }

  float* sums_of(float* sums, int64_t tap, int64_t c, int64_t o) const {
    return sums + (tap * partition_.channels + c) * partition_.outputs + o * kPair;
  }

  void multiply_tap(const Scratch<Element>& scratch, const Bf16* columns, int64_t tap, int64_t steps, bool is_first,
                    bool fetches) const {
    for (int64_t c = 0; c < channels_; c += kPair) {
      for (int64_t o = 0; o < outputs_; o += kPair) {
        float* sums = sums_of(scratch.sums, tap, c, o);
        if (is_first) {
          clear_sums();
        } else {
          load_sums(sums, kTileRows, 2 * kTileSums, kTileSums);
        }
        multiply(TileProduct<Bf16>{scratch.rows + o / kTileRows * kPanelElements, kTileDepth, kTileElements,
                                   kPanelElements, columns + c / kTileRows * partition_.panel(), partition_.panel(),
                                   steps, fetches});
        store_sums(sums, kTileRows, 2 * kTileSums, kTileSums);
      }
    }
  }

  void sum_pixels(const Bf16* const* at, int64_t steps, bool is_first, float* bias) const {
    for (int64_t o = 0; o < outputs_; o += kLanes) {
      const int lanes = static_cast<int>(smaller<int64_t>(kLanes, outputs_ - o));
      Vec sum = zero();
      for (int64_t i = 0; i < steps * kTileDepth; ++i) sum = sum + load_n(at[i] + o, lanes);
      store_n(bias + o, is_first ? sum : sum + load_n(bias + o, lanes), lanes);
    }
  }

  void unpack(float* sums, float* gradients) const {
    for (int64_t tap = 0; tap < partition_.taps; ++tap) {
      for (int64_t c = 0; c < channels_; c += kPair) {
        for (int64_t o = 0; o < outputs_; o += kTileRows) {
          float* to = gradients + (tap * partition_.values + channel_ + c) * gather_.result_pitch() + result_ + o;
          unpack_tiles(sums_of(sums, tap, c, o / kPair * kPair), o % kPair, smaller(kPair, channels_ - c),
                       static_cast<int>(smaller<int64_t>(kLanes, outputs_ - o)), to);
        }
      }
    }
  }

  // to[channel][output] of 32 channels and the 16 outputs from `half` on.
  void unpack_tiles(const float* sums, int64_t half, int64_t channels, int lanes, float* to) const {
    for (int64_t tile = 0; tile < 2; ++tile) {
      Vec rows[kTileRows];
      for (int64_t i = 0; i < kTileRows; ++i) {
        const int64_t row = row_of_value(half + i);
        rows[i] = load(sums + (row / kTileRows * 2 + tile) * kTileSums + row % kTileRows * kTileRows);
      }
      transpose(rows);
      for (int64_t i = 0; i < kTileRows; ++i) {
        const int64_t channel = value_of_row(tile * kTileRows + i);
        if (channel < channels) store_n(to + channel * gather_.result_pitch(), rows[i], lanes);
      }
    }
  }

  const Partition& partition_;
  const Gather& gather_;
  int64_t channel_, channels_, output_, outputs_;
  int64_t source_, result_;  // first channel of the input's and of grad_output's pixels
};

// Workspace: a row of zeros, the copies [split][gradients + biases], each worker's Scratch.
struct Workspace {
  size_t copies, workers, worker_stride, total;

  explicit Workspace(const Partition& partition) {
    const Gather& gather = partition.gather;
    copies = align(static_cast<size_t>(larger(larger(gather.source_pitch, partition.values), gather.result_pitch())) *
                   sizeof(float));
    const int64_t copy_floats =
        partition.splits > 1 ? partition.splits * (partition.gradients() + gather.result_pitch()) : 0;
    workers = copies + align(static_cast<size_t>(copy_floats) * sizeof(float));
    worker_stride = align(larger(Scratch<float>::bytes(partition), Scratch<Bf16>::bytes(partition)));
    total = workers + worker_stride * static_cast<size_t>(thread_count());
  }
};

template <class Element>
void run_tasks(const Partition& partition, const Element* input, const Bf16ConvGradWeightArgs& args) {
  const Workspace layout(partition);
  auto* memory = static_cast<std::byte*>(args.workspace);
  for (size_t i = 0; i < layout.copies; i += 64) _mm512_store_si512(memory + i, _mm512_setzero_si512());
  const auto* zeros = reinterpret_cast<const Element*>(memory);
  auto* copies = reinterpret_cast<float*>(memory + layout.copies);
  const int64_t gradients = partition.gradients();
  const int64_t copy_stride = gradients + partition.gather.result_pitch();
  const bool direct = partition.splits == 1;
  parallel_for(partition.columns() * partition.splits, [&](int64_t index, int worker) {
    const int64_t output_chunk = index % partition.output_chunks;
    const int64_t channel_chunk = index / partition.output_chunks % partition.channel_chunks;
    const int64_t group = index / partition.output_chunks / partition.channel_chunks % partition.gather.groups;
    const int64_t split = index / partition.columns();
    const TileScope scope;
    Scratch<Element> scratch(partition, memory + layout.workers + layout.worker_stride * static_cast<size_t>(worker));
    float* copy = copies + split * copy_stride;
    float* bias = args.grad_bias == nullptr ? nullptr : (direct ? args.grad_bias : copy + gradients);
    Task<Element>(partition, group, channel_chunk, output_chunk)
        .run(input, args.grad_output, zeros, split, scratch, direct ? args.grad_weight : copy, bias);
  });
  if (direct) return;
  add_copies(copies, partition.splits, copy_stride, gradients, args.grad_weight);
  if (args.grad_bias != nullptr) {
    add_copies(copies + gradients, partition.splits, copy_stride, partition.gather.result_pitch(), args.grad_bias);
  }
}

}  // namespace

void tile_conv_grad_weight(const ConvGeometry& geometry, const Bf16ConvGradWeightArgs& args) {
  const Partition partition(geometry);
  if (args.input != nullptr) {
    run_tasks(partition, args.input, args);
  } else {
    run_tasks(partition, args.wide_input, args);
  }
}

size_t tile_conv_grad_weight_workspace(const ConvGeometry& geometry) { return Workspace(Partition(geometry)).total; }

}  // namespace convoy::kernels::CONVOY_ISA
