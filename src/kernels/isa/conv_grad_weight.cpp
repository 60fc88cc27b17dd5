// Weight gradient: grad_weight[t][c][o] = sum over output pixels p of input[pixel(p, t)][c] * grad_output[p][o], in
// registers kRows input channels by kVectors vectors of output channels, reduced over a block of pixels at a time.
#include "kernels/isa/conv_grad_weight.h"

#include "core/parallel.h"
#include "kernels/isa/conv_gather.h"
#include "kernels/isa/conv_microkernel.h"
#include "kernels/isa/conv_pack.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Pixels reduced at a time: their panel of grad_output stays in the L1 cache.
constexpr int64_t kBlockPixels = 96;
// Input channels of a task: the panel's gradients stay in the L2 cache.
constexpr int64_t kChannelChunk = 512;
// Tasks that a problem should have at least, and pixels that a task should have at least.
constexpr int64_t kTasks = 16;
constexpr int64_t kTaskPixels = 4 * kBlockPixels;

using Table = GatherTable<kBlockPixels>;

constexpr size_t align(size_t bytes) { return (bytes + 63) & ~size_t{63}; }

// Tasks: groups x channel chunks x panels x splits of the pixels. With several splits each sums into its own copy of
// the gradients in the workspace, and the copies are added up in order.
struct Partition {
  Gather gather;
  Panels panels;
  int64_t chunks, splits;

  explicit Partition(const ConvGeometry& geometry)
      : gather(forward_gather(geometry)), panels{gather.outputs}, chunks(ceil_div(gather.channels, kChannelChunk)) {
    const int64_t columns = gather.groups * chunks * panels.count();
    splits = larger<int64_t>(1, smaller(ceil_div(kTasks, columns), gather.pixels() / kTaskPixels));
  }

  int64_t gradients() const { return gather.taps() * gather.channels * gather.result_pitch(); }
};

// Workspace: a row of zeros, the copies [split][gradients + biases], and for each worker a table and a packed panel.
struct Workspace {
  size_t zeros, copies, workers, panel, worker_stride, total;

  explicit Workspace(const Partition& partition) {
    const Gather& gather = partition.gather;
    zeros = 0;
    copies = align(static_cast<size_t>(larger(gather.source_pitch, gather.channels)) * sizeof(float));
    const int64_t copy_floats =
        partition.splits > 1 ? partition.splits * (partition.gradients() + gather.result_pitch()) : 0;
    workers = copies + align(static_cast<size_t>(copy_floats) * sizeof(float));
    panel = align(2 * Table::bytes(gather));
    worker_stride = panel + kBlockPixels * kPanelVectors * kLanes * sizeof(float);
    total = workers + worker_stride * static_cast<size_t>(thread_count());
  }
};

// One block of pixels for one tap: gradients[c][...] += sum over pixels of sources[pixel][c] * packed[pixel].
struct PixelBlock {
  const float* const* sources;
  const float* const* next_sources;  // of the next block, prefetched
  const float* packed;               // [pixel][kVectors * kLanes]
  int64_t pixels;
  float* gradients;  // [channel][gradient_pitch]
  int64_t gradient_pitch;
  bool first;  // gradients are overwritten
  int last_lanes;
};

template <int kRows, int kVectors>
void multiply_channels(const PixelBlock& block, int64_t channel) {
  Vec sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = zero();
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      __builtin_prefetch(block.gradients + (channel + r) * block.gradient_pitch + v * kLanes, 1);
    }
  }
  const float* packed = block.packed;
  for (int64_t pixel = 0; pixel < block.pixels; ++pixel, packed += kVectors * kLanes) {
    const float* source = block.sources[pixel] + channel;
    __builtin_prefetch(block.next_sources[pixel] + channel, 0, 2);
    Vec g[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) g[v] = load(packed + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec x = broadcast(source[r]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = fma(x, g[v], sum[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    float* row = block.gradients + (channel + r) * block.gradient_pitch;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int lanes = v + 1 == kVectors ? block.last_lanes : kLanes;
      float* at = row + v * kLanes;
      if (lanes == kLanes) {
        store(at, block.first ? sum[r][v] : sum[r][v] + load(at));
      } else {
        store_n(at, block.first ? sum[r][v] : sum[r][v] + load_n(at, lanes), lanes);
      }
    }
  }
}

// kRows or fewer rows.
template <int kRows, int kVectors>
void multiply_some_channels(const PixelBlock& block, int64_t channel, int64_t rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return multiply_some_channels<kRows - 1, kVectors>(block, channel, rows);
  }
  multiply_channels<kRows, kVectors>(block, channel);
}

template <int kVectors>
void multiply_block(const PixelBlock& block, int64_t first, int64_t last) {
  constexpr int kRows = kPixelRows<kVectors>;
  const int64_t pieces = ceil_div(last - first, kRows);
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const int64_t begin = first + (last - first) * piece / pieces;
    const int64_t end = first + (last - first) * (piece + 1) / pieces;
    multiply_some_channels<kRows, kVectors>(block, begin, end - begin);
  }
}

void multiply_block(const PixelBlock& block, int vectors, int64_t first, int64_t last) {
  if constexpr (kPanelVectors == 4) {
    if (vectors == 4) return multiply_block<4>(block, first, last);
    if (vectors == 3) return multiply_block<3>(block, first, last);
  }
  if (vectors == 2) return multiply_block<2>(block, first, last);
  return multiply_block<1>(block, first, last);
}

void sum_pixels(const PixelBlock& block, int vectors, float* bias) {
  for (int v = 0; v < vectors; ++v) {
    const int lanes = v + 1 == vectors ? block.last_lanes : kLanes;
    Vec sum = zero();
    for (int64_t pixel = 0; pixel < block.pixels; ++pixel) {
      sum = sum + load(block.packed + (pixel * vectors + v) * kLanes);
    }
    store_n(bias + v * kLanes, block.first ? sum : sum + load_n(bias + v * kLanes, lanes), lanes);
  }
}

struct Task {
  int64_t group, chunk, panel, split;
};

// Sums one task's gradients into `gradients` and, where not null, `bias`.
void run_task(const Partition& partition, const Task& task, const ConvGradWeightArgs& args, const float* zeros,
              std::byte* scratch, float* packed, float* gradients, float* bias) {
  const Gather& gather = partition.gather;
  const Panels& panels = partition.panels;
  const int vectors = panels.width(task.panel);
  const int64_t output = task.group * gather.outputs + panels.first_vector(task.panel) * kLanes;
  const int64_t first_channel = gather.channels * task.chunk / partition.chunks;
  const int64_t last_channel = gather.channels * (task.chunk + 1) / partition.chunks;
  const int64_t blocks = ceil_div(gather.pixels(), kBlockPixels);
  const int64_t first_block = blocks * task.split / partition.splits;
  const int64_t last_block = blocks * (task.split + 1) / partition.splits;
  Table tables[2] = {Table(gather, scratch), Table(gather, scratch + Table::bytes(gather))};
  const auto fill = [&](Table& table, int64_t b) {
    table.fill(gather, args.input + task.group * gather.channels, zeros, b * kBlockPixels,
               smaller(kBlockPixels, gather.pixels() - b * kBlockPixels));
  };
  PixelBlock block{};
  block.packed = packed;
  block.gradient_pitch = gather.result_pitch();
  block.last_lanes = panels.last_lanes(task.panel);
  for (int64_t b = first_block; b < last_block; ++b) {
    const int64_t pixel = b * kBlockPixels;
    block.pixels = smaller(kBlockPixels, gather.pixels() - pixel);
    block.first = b == first_block;
    if (block.first) fill(tables[b % 2], b);
    fill(tables[(b + 1) % 2], smaller(b + 1, last_block - 1));
    const float* grad_output = args.grad_output + pixel * gather.result_pitch() + output;
    for (int64_t p = 0; p < kBlockPixels; ++p) {
      for (int v = 0; v < vectors; ++v) {
        __builtin_prefetch(grad_output + (p + kBlockPixels) * gather.result_pitch() + v * kLanes, 0, 2);
      }
    }
    pack_rows(grad_output, gather.result_pitch(), block.pixels, vectors, block.last_lanes, packed);
    if (bias != nullptr && task.chunk == 0) sum_pixels(block, vectors, bias + output);
    for (int64_t tap = 0; tap < gather.taps(); ++tap) {
      block.sources = tables[b % 2].sources + tap * kBlockPixels;
      block.next_sources = tables[(b + 1) % 2].sources + tap * kBlockPixels;
      block.gradients = gradients + tap * gather.channels * gather.result_pitch() + output;
      multiply_block(block, vectors, first_channel, last_channel);
    }
  }
}

// result[i] = sum over splits of copies[split][i], in the order of the splits.
void add_copies(const float* copies, int64_t splits, int64_t stride, int64_t count, float* result) {
  constexpr int64_t kPiece = 4096;
  parallel_for(ceil_div(count, kPiece), [&](int64_t piece, int) {
    const int64_t end = smaller(count, (piece + 1) * kPiece);
    for (int64_t i = piece * kPiece; i < end; i += kLanes) {
      const int lanes = static_cast<int>(smaller<int64_t>(kLanes, end - i));
      Vec sum = load_n(copies + i, lanes);
      for (int64_t split = 1; split < splits; ++split) sum = sum + load_n(copies + split * stride + i, lanes);
      store_n(result + i, sum, lanes);
    }
  });
}

}  // namespace

void conv_grad_weight(const ConvGeometry& geometry, const ConvGradWeightArgs& args) {
  const Partition partition(geometry);
  const Workspace layout(partition);
  auto* memory = static_cast<std::byte*>(args.workspace);
  auto* zeros = reinterpret_cast<float*>(memory + layout.zeros);
  for (size_t i = 0; i < (layout.copies - layout.zeros) / sizeof(float); ++i) zeros[i] = 0.0F;
  auto* copies = reinterpret_cast<float*>(memory + layout.copies);
  const int64_t gradients = partition.gradients();
  const int64_t copy_stride = gradients + partition.gather.result_pitch();
  const bool direct = partition.splits == 1;
  const int64_t columns = partition.gather.groups * partition.chunks * partition.panels.count();
  parallel_for(columns * partition.splits, [&](int64_t index, int worker) {
    const int64_t column = index % columns;
    const Task task{column / (partition.chunks * partition.panels.count()),
                    column / partition.panels.count() % partition.chunks, column % partition.panels.count(),
                    index / columns};
    std::byte* scratch = memory + layout.workers + layout.worker_stride * static_cast<size_t>(worker);
    float* copy = copies + task.split * copy_stride;
    float* bias = args.grad_bias == nullptr ? nullptr : (direct ? args.grad_bias : copy + gradients);
    run_task(partition, task, args, zeros, scratch, reinterpret_cast<float*>(scratch + layout.panel),
             direct ? args.grad_weight : copy, bias);
  });
  if (direct) return;
  add_copies(copies, partition.splits, copy_stride, gradients, args.grad_weight);
  if (args.grad_bias != nullptr) {
    add_copies(copies + gradients, partition.splits, copy_stride, partition.gather.result_pitch(), args.grad_bias);
  }
}

size_t conv_grad_weight_workspace(const ConvGeometry& geometry) { return Workspace(Partition(geometry)).total; }

}  // namespace convoy::kernels::CONVOY_ISA
