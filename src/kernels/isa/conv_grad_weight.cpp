// Weight gradient: grad_weight[t][c][o] = sum over output pixels p of input[pixel(p, t)][c] * grad_output[p][o], in
// registers kRows input channels by kVectors vectors of output channels, reduced over a block of pixels at a time.
//
// A task has some channels and some panels of outputs, whose gradients stay in the L2 cache while it goes through the
// pixels. Of each block it packs the panels of grad_output and, for each tap, the input's channels in strips, so that
// the product reads both in order: rows of the input lie apart, often by powers of two.
#include "kernels/isa/conv_grad_weight.h"

#include "core/parallel.h"
#include "kernels/isa/conv_copies.h"
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
// Input channels and gradients that a task has at most, but for those of one channel chunk with one panel.
constexpr int64_t kTaskChannels = 128;
constexpr int64_t kTaskGradients = 48 * 1024;

using Table = GatherTable<kOuterPixels>;

// Tasks: groups x chunks of channels x chunks of panels x splits of the pixels. With several splits each sums into its
// own copy of the gradients in the workspace, and the copies are added up in order.
struct Partition {
  Gather gather;
  Panels panels;
  int64_t channel_chunks, panel_chunks, splits;

  explicit Partition(const ConvGeometry& geometry) : gather(forward_gather(geometry)), panels{gather.outputs} {
    const int64_t taps = gather.taps();
    const int64_t channels = gather.windows ? gather.channels : ceil_div(kTaskChannels, taps > 4 ? 2 : 1);
    channel_chunks = ceil_div(gather.channels, channels);
    const int64_t panel_gradients = taps * ceil_div(gather.channels, channel_chunks) * kPanelVectors * kLanes;
    panel_chunks = ceil_div(panels.count(), larger<int64_t>(1, kTaskGradients / panel_gradients));
    splits = larger<int64_t>(1, smaller(ceil_div(kTasks, columns()), gather.pixels() / kTaskPixels));
  }

  int64_t columns() const { return gather.groups * channel_chunks * panel_chunks; }
  int64_t first_channel(int64_t chunk) const { return gather.channels * chunk / channel_chunks; }
  int64_t first_panel(int64_t chunk) const { return panels.count() * chunk / panel_chunks; }
  int64_t gradients() const { return gather.taps() * gather.channels * gather.result_pitch(); }
};

// A worker's memory: the addresses for a block of pixels and for the one after it, the block's panels of grad_output,
// its channels for one tap, and the sums of the task's gradients [tap][panel][channel][panel's lanes].
struct Scratch {
  Table tables[2];
  float *panels, *channels, *gradients;

  static int64_t panel_lanes(const Partition& partition) {
    return ceil_div(partition.panels.count(), partition.panel_chunks) * kPanelVectors * kLanes;
  }
  static Strips strips(const Partition& partition) {
    return {ceil_div(partition.gather.channels, partition.channel_chunks), strip_rows(partition.panels.widest())};
  }
  static size_t bytes(const Partition& partition) {
    const Strips strips = Scratch::strips(partition);
    const int64_t rows = kOuterPixels + partition.gather.taps() * strips.channels();
    return align(2 * Table::bytes(partition.gather)) +
           align(sizeof(float) * static_cast<size_t>(strips.count() * strips.floats())) +
           static_cast<size_t>(rows * panel_lanes(partition)) * sizeof(float);
  }
  Scratch(const Partition& partition, std::byte* memory)
      : tables{Table(partition.gather, memory), Table(partition.gather, memory + Table::bytes(partition.gather))},
        panels(reinterpret_cast<float*>(memory + align(2 * Table::bytes(partition.gather)))),
        gradients(panels + kOuterPixels * panel_lanes(partition)) {
    const Strips most = strips(partition);
    channels = gradients + partition.gather.taps() * most.channels() * panel_lanes(partition);
  }
};

// One task: its part of the gradients and, where not null, of grad_bias goes to `gradients` and `bias`.
class Task {
 public:
  Task(const Partition& partition, int64_t group, int64_t channel_chunk, int64_t panel_chunk)
      : partition_(partition),
        gather_(partition.gather),
        panels_(partition.panels),
        first_channel_(partition.first_channel(channel_chunk)),
        strips_(partition.first_channel(channel_chunk + 1) - first_channel_, strip_rows(panels_.widest())),
        first_panel_(partition.first_panel(panel_chunk)),
        end_panel_(partition.first_panel(panel_chunk + 1)),
        lanes_((panels_.first_vector(end_panel_) - panels_.first_vector(first_panel_)) * kLanes),
        input_(group * gather_.channels + first_channel_),
        output_(group * gather_.outputs) {}

  void run(const ConvGradWeightArgs& args, const float* zeros, int64_t split, Scratch& scratch, float* gradients,
           float* bias) const {
    const int64_t blocks = ceil_div(gather_.pixels(), kOuterPixels);
    const int64_t first = blocks * split / partition_.splits, last = blocks * (split + 1) / partition_.splits;
    const auto pixels = [&](int64_t b) { return smaller(kOuterPixels, gather_.pixels() - b * kOuterPixels); };
    const auto fill = [&](int64_t b) {
      scratch.tables[b % 2].fill(gather_, args.input + input_, zeros, b * kOuterPixels, pixels(b));
    };
    fill(first);
    const int64_t calls = (end_panel_ - first_panel_) * strips_.count();
    for (int64_t b = first; b < last; ++b) {
      const int64_t next_pixels = b + 1 < last ? pixels(b + 1) : 0;
      if (b + 1 < last) fill(b + 1);
      const float* grad_output = args.grad_output + b * kOuterPixels * gather_.result_pitch() + output_;
      pack_panels(grad_output, pixels(b), scratch.panels);
      if (bias != nullptr && first_channel_ == 0) sum_pixels(scratch.panels, pixels(b), b == first, bias + output_);
      const float* next_rows[kOuterPixels];
      for (int64_t p = 0; p < next_pixels; ++p) {
        next_rows[p] =
            grad_output + (kOuterPixels + p) * gather_.result_pitch() + panels_.first_vector(first_panel_) * kLanes;
      }
      RowFetch fetch_rows(next_rows, next_pixels, lanes_, gather_.taps() * calls);
      for (int64_t tap = 0; tap < gather_.taps(); ++tap) {
        pack_channels(scratch.tables[b % 2].sources + tap * kOuterPixels, pixels(b), strips_, scratch.channels);
        RowFetch fetch_sources(scratch.tables[(b + 1) % 2].sources + tap * kOuterPixels, next_pixels,
                               strips_.channels(), calls);
        multiply(scratch, pixels(b), b == first, scratch.gradients + tap * strips_.channels() * lanes_, [&] {
          fetch_sources.next();
          fetch_rows.next();
        });
      }
    }
    unpack(scratch.gradients, gradients);
  }

 private:
  // Calls body(panel, floats of its rows, floats of a row of the panels before it).
  template <class Body>
  void each_panel(const Body& body) const {
    const int64_t first = panels_.first_vector(first_panel_);
    for (int64_t panel = first_panel_; panel < end_panel_; ++panel) {
      body(panel, panels_.width(panel), (panels_.first_vector(panel) - first) * kLanes);
    }
  }

  // gradients[panel][channel] of one tap, from the block's packed panels and channels.
  template <class Fetch>
  void multiply(const Scratch& scratch, int64_t pixels, bool first, float* gradients, const Fetch& fetch) const {
    each_panel([&](int64_t, int vectors, int64_t before) {
      multiply_panel({scratch.channels, scratch.panels + before * kOuterPixels, pixels,
                      gradients + before * strips_.channels(), first},
                     strips_, vectors, panels_.widest(), fetch);
    });
  }

  void pack_panels(const float* grad_output, int64_t pixels, float* packed) const {
    each_panel([&](int64_t panel, int vectors, int64_t before) {
      pack_rows(grad_output + panels_.first_vector(panel) * kLanes, gather_.result_pitch(), pixels, vectors,
                panels_.last_lanes(panel), packed + before * kOuterPixels);
    });
  }

  void sum_pixels(const float* packed, int64_t pixels, bool first, float* bias) const {
    each_panel([&](int64_t panel, int vectors, int64_t before) {
      for (int v = 0; v < vectors; ++v) {
        const int lanes = v + 1 == vectors ? panels_.last_lanes(panel) : kLanes;
        Vec sum = zero();
        for (int64_t pixel = 0; pixel < pixels; ++pixel) {
          sum = sum + load(packed + before * kOuterPixels + (pixel * vectors + v) * kLanes);
        }
        float* at = bias + (panels_.first_vector(panel) + v) * kLanes;
        store_n(at, first ? sum : sum + load_n(at, lanes), lanes);
      }
    });
  }

  void unpack(const float* sums, float* gradients) const {
    for (int64_t tap = 0; tap < gather_.taps(); ++tap, sums += strips_.channels() * lanes_) {
      each_panel([&](int64_t panel, int vectors, int64_t before) {
        const float* from = sums + before * strips_.channels();
        float* row = gradients + (tap * gather_.channels + first_channel_) * gather_.result_pitch() + output_ +
                     panels_.first_vector(panel) * kLanes;
        for (int64_t c = 0; c < strips_.channels(); ++c, from += vectors * kLanes, row += gather_.result_pitch()) {
          for (int v = 0; v + 1 < vectors; ++v) store(row + v * kLanes, load(from + v * kLanes));
          const int last = (vectors - 1) * kLanes;
          store_n(row + last, load(from + last), panels_.last_lanes(panel));
        }
      });
    }
  }

  const Partition& partition_;
  const Gather& gather_;
  const Panels& panels_;
  int64_t first_channel_;
  Strips strips_;
  int64_t first_panel_, end_panel_, lanes_, input_, output_;
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
  const int64_t columns = partition.columns();
  parallel_for(columns * partition.splits, [&](int64_t index, int worker) {
    const int64_t panel_chunk = index % partition.panel_chunks;
    const int64_t channel_chunk = index / partition.panel_chunks % partition.channel_chunks;
    const int64_t group = index / partition.panel_chunks / partition.channel_chunks % partition.gather.groups;
    const int64_t split = index / columns;
    const Task task(partition, group, channel_chunk, panel_chunk);
    Scratch scratch(partition, memory + layout.workers + layout.worker_stride * static_cast<size_t>(worker));
    float* copy = copies + split * copy_stride;
    float* bias = args.grad_bias == nullptr ? nullptr : (direct ? args.grad_bias : copy + gradients);
    task.run(args, zeros, split, scratch, direct ? args.grad_weight : copy, bias);
  });
  if (direct) return;
  add_copies(copies, partition.splits, copy_stride, gradients, args.grad_weight);
  if (args.grad_bias != nullptr) {
    add_copies(copies + gradients, partition.splits, copy_stride, partition.gather.result_pitch(), args.grad_bias);
  }
}

size_t conv_grad_weight_workspace(const ConvGeometry& geometry) { return Workspace(Partition(geometry)).total; }

}  // namespace convoy::kernels::CONVOY_ISA
