// Weight gradient: grad_weight[t][c][o] = sum over output pixels p of input[pixel(p, t)][c] * grad_output[p][o], the
// pixels being what tiles reduce over.
//
// A task has some channels and some outputs, whose sums stay in the second cache while it goes through the pixels block
// by block. Of each block it packs grad_output as tiles of columns and, for each tap, the input's channels, turned, as
// tiles of rows.
#include "kernels/amx/conv_grad_weight.h"

#include "core/parallel.h"
#include "kernels/amx/tile.h"
#include "kernels/isa/conv_copies.h"
#include "kernels/isa/conv_gather.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Pixels of a block.
constexpr int64_t kBlockPixels = 512;
constexpr int64_t kBlockSteps = kBlockPixels / kTileDepth;
// Channels and outputs of the sums in the tile registers.
constexpr int64_t kPair = 2 * kTileRows;
// Channels, outputs and sums of a task at the most.
constexpr int64_t kTaskChannels = 128, kTaskOutputs = 512;
constexpr int64_t kTaskSums = 160 * 1024;
// Tasks that a problem should have at least, and blocks that a task should have at least.
constexpr int64_t kTasks = 16, kTaskBlocks = 2;

template <class Element>
using Table = GatherTable<kBlockPixels, Element>;

// Tasks: groups x chunks of channels x chunks of outputs x splits of the pixels. With several splits each sums into its
// own copy of the gradients in the workspace, and the copies are added up in order.
struct Partition {
  Gather gather;
  int64_t channels, outputs;  // of a chunk, in whole pairs of tiles
  int64_t channel_chunks, output_chunks, blocks, splits;

  explicit Partition(const ConvGeometry& geometry) : gather(forward_gather(geometry)) {
    const auto chunk = [](int64_t count, int64_t most) {
      return ceil_div(ceil_div(count, ceil_div(count, most)), kPair) * kPair;
    };
    channels = chunk(gather.channels, kTaskChannels);
    const int64_t fitting = kTaskSums / (gather.taps() * channels) / kPair * kPair;
    outputs = chunk(gather.outputs, larger(kPair, smaller(kTaskOutputs, fitting)));
    channel_chunks = ceil_div(gather.channels, channels);
    output_chunks = ceil_div(gather.outputs, outputs);
    blocks = ceil_div(gather.pixels(), kBlockPixels);
    splits = larger<int64_t>(1, smaller(ceil_div(kTasks, columns()), blocks / kTaskBlocks));
  }

  int64_t columns() const { return gather.groups * channel_chunks * output_chunks; }
  int64_t gradients() const { return gather.taps() * gather.channels * gather.result_pitch(); }
};

// A worker's memory: the addresses for a block, its tiles of grad_output and of channels, and the sums
// [tap][tile of channels][16][outputs].
template <class Element>
struct Scratch {
  Table<Element> table;
  Bf16 *columns, *rows;
  float* sums;

  static size_t bytes(const Partition& partition) {
    const int64_t packed = kBlockPixels * (partition.channels + partition.outputs);
    const int64_t sums = partition.gather.taps() * partition.channels * partition.outputs;
    return align(Table<Element>::bytes(partition.gather)) + static_cast<size_t>(packed) * sizeof(Bf16) +
           static_cast<size_t>(sums) * sizeof(float);
  }
  Scratch(const Partition& partition, std::byte* memory)
      : table(partition.gather, memory),
        columns(reinterpret_cast<Bf16*>(memory + align(Table<Element>::bytes(partition.gather)))),
        rows(columns + kBlockPixels * partition.outputs),
        sums(reinterpret_cast<float*>(rows + kBlockPixels * partition.channels)) {}
};

template <class Element>
class Task {
 public:
  Task(const Partition& partition, int64_t group, int64_t channel_chunk, int64_t output_chunk)
      : partition_(partition),
        gather_(partition.gather),
        channel_(channel_chunk * partition.channels),
        channels_(smaller(partition.channels, gather_.channels - channel_)),
        output_(output_chunk * partition.outputs),
        outputs_(smaller(partition.outputs, gather_.outputs - output_)),
        source_(group * gather_.channels + channel_),
        result_(group * gather_.outputs + output_) {}

  void run(const Element* input, const Bf16* grad_output, const Element* zeros, int64_t split,
           Scratch<Element>& scratch, float* gradients, float* bias) const {
    const int64_t first = partition_.blocks * split / partition_.splits;
    const int64_t last = partition_.blocks * (split + 1) / partition_.splits;
    for (int64_t block = first; block < last; ++block) {
      const int64_t pixels = smaller(kBlockPixels, gather_.pixels() - block * kBlockPixels);
      const Bf16* grads = grad_output + block * kBlockPixels * gather_.result_pitch() + result_;
      scratch.table.fill(gather_, input + source_, zeros, block * kBlockPixels, pixels);
      pack_outputs(grads, pixels, scratch.columns);
      if (bias != nullptr && channel_ == 0) sum_pixels(grads, pixels, block == first, bias + result_);
      for (int64_t tap = 0; tap < gather_.taps(); ++tap) {
        pack_channels(scratch.table.sources + tap * kBlockPixels, pixels, scratch.rows);
        multiply_tap(scratch, ceil_div(pixels, kTileDepth), block == first,
                     scratch.sums + tap * partition_.channels * partition_.outputs);
      }
    }
    unpack(scratch.sums, gradients);
  }

 private:
  // columns[tile of outputs][step][16 pairs of pixels][16 outputs][2]; an odd number of tiles is made even with zeros.
  void pack_outputs(const Bf16* grads, int64_t pixels, Bf16* columns) const {
    const int64_t pitch = gather_.result_pitch();
    each_pair(outputs_, pixels, columns, [&](int64_t first, int64_t count, int64_t pixel, Bf16* low, Bf16* high) {
      const auto row = [&](int64_t i) { return pixel + i < pixels ? grads + (pixel + i) * pitch + first : nullptr; };
      pack_columns(row, count, low, high);
    });
  }

  // rows[tile of channels][step][16 channels][32 pixels], likewise.
  void pack_channels(const Element* const* sources, int64_t pixels, Bf16* rows) const {
    each_pair(channels_, pixels, rows, [&](int64_t first, int64_t count, int64_t pixel, Bf16* low, Bf16* high) {
      const auto row = [&](int64_t i) { return pixel + i < pixels ? sources[pixel + i] + first : nullptr; };
      pack_rows(row, count, low, high);
    });
  }

  // Calls pack(first value, how many, first pixel, tile, next tile) for each pair of tiles, pixels outermost.
  template <class Pack>
  void each_pair(int64_t count, int64_t pixels, Bf16* tiles, const Pack& pack) const {
    for (int64_t step = 0; step < ceil_div(pixels, kTileDepth); ++step) {
      for (int64_t first = 0; first < count; first += kPair) {
        Bf16* low = tiles + (first / kTileRows * kBlockSteps + step) * kTileElements;
        pack(first, smaller(kPair, count - first), step * kTileDepth, low, low + kBlockSteps * kTileElements);
      }
    }
  }

  void multiply_tap(const Scratch<Element>& scratch, int64_t steps, bool is_first, float* sums) const {
    const int64_t pitch = partition_.outputs;
    for (int64_t c = 0; c < channels_; c += kPair) {
      for (int64_t o = 0; o < outputs_; o += kPair) {
        float* at = sums + c * pitch + o;
        if (is_first) {
          clear_sums();
        } else {
          load_sums(at, pitch, kTileRows * pitch, kTileRows);
        }
        multiply(TileProduct<Bf16>{scratch.rows + c / kTileRows * kBlockSteps * kTileElements, kTileDepth,
                                   kTileElements, kBlockSteps * kTileElements,
                                   scratch.columns + o / kTileRows * kBlockSteps * kTileElements,
                                   kBlockSteps * kTileElements, steps});
        store_sums(at, pitch, kTileRows * pitch, kTileRows);
      }
    }
  }

  void sum_pixels(const Bf16* grads, int64_t pixels, bool is_first, float* bias) const {
    for (int64_t o = 0; o < outputs_; o += kLanes) {
      const int lanes = static_cast<int>(smaller<int64_t>(kLanes, outputs_ - o));
      Vec sum = zero();
      for (int64_t p = 0; p < pixels; ++p) sum = sum + load_n(grads + p * gather_.result_pitch() + o, lanes);
      store_n(bias + o, is_first ? sum : sum + load_n(bias + o, lanes), lanes);
    }
  }

  void unpack(const float* sums, float* gradients) const {
    for (int64_t tap = 0; tap < gather_.taps(); ++tap) {
      for (int64_t c = 0; c < channels_; ++c) {
        const float* from = sums + (tap * partition_.channels + c) * partition_.outputs;
        float* to = gradients + (tap * gather_.channels + channel_ + c) * gather_.result_pitch() + result_;
        for (int64_t o = 0; o < outputs_; o += kLanes) {
          const int lanes = static_cast<int>(smaller<int64_t>(kLanes, outputs_ - o));
          store_n(to + o, load_n(from + o, lanes), lanes);
        }
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
    copies = align(static_cast<size_t>(larger(gather.source_pitch, gather.channels)) * sizeof(float));
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
