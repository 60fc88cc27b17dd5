// Weight gradient: grad_weight[t][c][o] = sum over output pixels p of input[pixel(p, t)][c] * grad_output[p][o], in
// registers kRows input channels by kVectors vectors of output channels, reduced over a block of pixels at a time.
#include "kernels/isa/conv_grad_weight.h"

#include "core/parallel.h"
#include "kernels/isa/conv_gather.h"
#include "kernels/isa/conv_microkernel.h"
#include "kernels/isa/conv_outer.h"
#include "kernels/isa/conv_pack.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Tasks that a problem should have at least, and pixels that a task should have at least.
constexpr int64_t kTasks = 16;
constexpr int64_t kTaskPixels = 4 * kOuterPixels;

using Table = GatherTable<kOuterPixels>;

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

void sum_pixels(const PixelBlock& block, int vectors, int last_lanes, float* bias) {
  for (int v = 0; v < vectors; ++v) {
    const int lanes = v + 1 == vectors ? last_lanes : kLanes;
    Vec sum = zero();
    for (int64_t pixel = 0; pixel < block.pixels; ++pixel) {
      sum = sum + load(block.packed + (pixel * vectors + v) * kLanes);
    }
    store_n(bias + v * kLanes, block.first ? sum : sum + load_n(bias + v * kLanes, lanes), lanes);
  }
}

// A worker's memory: the addresses for a block of pixels and for the one after it, the block's panel of grad_output,
// and the sums of the task's gradients [tap][channel][panel's lanes].
struct Scratch {
  Table tables[2];
  float* panel;
  float* gradients;

  static size_t bytes(const Partition& partition) {
    const Gather& gather = partition.gather;
    const int64_t rows = kOuterPixels + gather.taps() * smaller(kChannelChunk, gather.channels);
    return align(2 * Table::bytes(gather)) + static_cast<size_t>(rows * kPanelVectors * kLanes) * sizeof(float);
  }
  Scratch(const Gather& gather, std::byte* memory)
      : tables{Table(gather, memory), Table(gather, memory + Table::bytes(gather))},
        panel(reinterpret_cast<float*>(memory + align(2 * Table::bytes(gather)))),
        gradients(panel + kOuterPixels * kPanelVectors * kLanes) {}
};

// One task: its part of the gradients and, where not null, of grad_bias goes to `gradients` and `bias`.
class Task {
 public:
  Task(const Partition& partition, int64_t column, int64_t split)
      : partition_(partition), gather_(partition.gather), split_(split) {
    const Panels& panels = partition.panels;
    const int64_t panel = column % panels.count();
    const int64_t chunk = column / panels.count() % partition.chunks;
    const int64_t group = column / panels.count() / partition.chunks;
    first_channel_ = gather_.channels * chunk / partition.chunks;
    channels_ = gather_.channels * (chunk + 1) / partition.chunks - first_channel_;
    input_ = group * gather_.channels + first_channel_;
    output_ = group * gather_.outputs + panels.first_vector(panel) * kLanes;
    vectors_ = panels.width(panel);
    last_lanes_ = panels.last_lanes(panel);
  }

  void run(const ConvGradWeightArgs& args, const float* zeros, Scratch& scratch, float* gradients, float* bias) const {
    const int64_t blocks = ceil_div(gather_.pixels(), kOuterPixels);
    const int64_t first = blocks * split_ / partition_.splits, last = blocks * (split_ + 1) / partition_.splits;
    const auto fill = [&](int64_t b) {
      const int64_t count = smaller(kOuterPixels, gather_.pixels() - b * kOuterPixels);
      scratch.tables[b % 2].fill(gather_, args.input + input_, zeros, b * kOuterPixels, count);
    };
    fill(first);
    PixelBlock block{};
    block.packed = scratch.panel;
    for (int64_t b = first; b < last; ++b) {
      if (b + 1 < last) fill(b + 1);
      block.pixels = smaller(kOuterPixels, gather_.pixels() - b * kOuterPixels);
      block.first = b == first;
      pack(args.grad_output + b * kOuterPixels * gather_.result_pitch() + output_, block.pixels, scratch.panel);
      if (bias != nullptr && first_channel_ == 0) sum_pixels(block, vectors_, last_lanes_, bias + output_);
      for (int64_t tap = 0; tap < gather_.taps(); ++tap) {
        block.sources = scratch.tables[b % 2].sources + tap * kOuterPixels;
        block.next_sources = b + 1 < last ? scratch.tables[(b + 1) % 2].sources + tap * kOuterPixels : block.sources;
        block.gradients = scratch.gradients + tap * channels_ * vectors_ * kLanes;
        multiply_block(block, vectors_, channels_);
      }
    }
    unpack(scratch.gradients, gradients);
  }

 private:
  // The block's panel, while the next block's comes into the cache.
  void pack(const float* grad_output, int64_t pixels, float* panel) const {
    const int64_t pitch = gather_.result_pitch();
    for (int64_t pixel = kOuterPixels; pixel < 2 * kOuterPixels; ++pixel) {
      for (int v = 0; v < vectors_; ++v) __builtin_prefetch(grad_output + pixel * pitch + v * kLanes, 0, 2);
    }
    pack_rows(grad_output, pitch, pixels, vectors_, last_lanes_, panel);
  }

  void unpack(const float* sums, float* gradients) const {
    for (int64_t tap = 0; tap < gather_.taps(); ++tap) {
      for (int64_t c = 0; c < channels_; ++c, sums += vectors_ * kLanes) {
        float* row = gradients + (tap * gather_.channels + first_channel_ + c) * gather_.result_pitch() + output_;
        for (int v = 0; v + 1 < vectors_; ++v) store(row + v * kLanes, load(sums + v * kLanes));
        store_n(row + (vectors_ - 1) * kLanes, load(sums + (vectors_ - 1) * kLanes), last_lanes_);
      }
    }
  }

  const Partition& partition_;
  const Gather& gather_;
  int64_t split_, first_channel_, channels_, input_, output_;
  int vectors_, last_lanes_;
};

// Workspace: a row of zeros, the copies [split][gradients + biases], each worker's Scratch.
struct Workspace {
  size_t zeros, copies, workers, worker_stride, total;

  explicit Workspace(const Partition& partition) {
    const Gather& gather = partition.gather;
    zeros = 0;
    copies = align(static_cast<size_t>(larger(gather.source_pitch, gather.channels)) * sizeof(float));
    const int64_t copy_floats =
        partition.splits > 1 ? partition.splits * (partition.gradients() + gather.result_pitch()) : 0;
    workers = copies + align(static_cast<size_t>(copy_floats) * sizeof(float));
    worker_stride = align(Scratch::bytes(partition));
    total = workers + worker_stride * static_cast<size_t>(thread_count());
  }
};

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
    const int64_t split = index / columns;
    const Task task(partition, index % columns, split);
    Scratch scratch(partition.gather, memory + layout.workers + layout.worker_stride * static_cast<size_t>(worker));
    float* copy = copies + split * copy_stride;
    float* bias = args.grad_bias == nullptr ? nullptr : (direct ? args.grad_bias : copy + gradients);
    task.run(args, zeros, scratch, direct ? args.grad_weight : copy, bias);
  });
  if (direct) return;
  add_copies(copies, partition.splits, copy_stride, gradients, args.grad_weight);
  if (args.grad_bias != nullptr) {
    add_copies(copies + gradients, partition.splits, copy_stride, partition.gather.result_pitch(), args.grad_bias);
  }
}

size_t conv_grad_weight_workspace(const ConvGeometry& geometry) { return Workspace(Partition(geometry)).total; }

}  // namespace convoy::kernels::CONVOY_ISA
