// Forward and input gradient: for each tile of pixels the values of every tap are packed row by row, as the table of
// addresses (isa/conv_gather.h) finds them, and multiplied by the packed weights of two panels of 16 outputs at a time,
// 32 pixels by 32 outputs in the tile registers. A 1x1 layer's rows are read where they are.
//
// Bound: a product of tiles takes 16 cycles and its operands 8 each from the first cache, so that 2 x 2 products are
// done as fast as the unit can; with few channels the results' rounding, sums and stores, and memory, take longer.
#include "core/activation.h"
#include "core/parallel.h"
#include "kernels/amx/conv_grad_weight.h"
#include "kernels/amx/tile.h"
#include "kernels/bf16_conv.h"
#include "kernels/isa/activation.h"
#include "kernels/isa/conv_epilogue.h"
#include "kernels/isa/conv_gather.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Pixels and outputs of the sums in the tile registers.
constexpr int64_t kBlock = 2 * kTileRows;
static_assert(kTilePixels % kBlock == 0);
// Bytes of packed pixels that leave room for the weights of two panels in the second cache.
constexpr int64_t kPackedBytes = 640 << 10;
// Tasks that a problem should have at least, so that threads finish together.
constexpr int64_t kTasks = 32;
// Multiplications that a task should have at least.
constexpr int64_t kTaskWork = int64_t{1} << 22;

constexpr int64_t kTablePixels = 4 * kTilePixels;
template <class Element>
using Table = GatherTable<kTablePixels, Element>;

// The reduction of a gather, tap after tap, each in whole steps.
struct Depth {
  int64_t channels, tap_steps, steps;

  explicit Depth(const Gather& gather)
      : channels(gather.channels), tap_steps(ceil_div(gather.channels, kTileDepth)), steps(gather.taps() * tap_steps) {}
};

// Panels of 16 outputs, in pairs.
int64_t panel_pairs(const Gather& gather) { return ceil_div(gather.outputs, kBlock); }
int64_t packed_weights(const Gather& gather) {
  return gather.groups * panel_pairs(gather) * 2 * Depth(gather).steps * kTileElements;
}

// Tiles of a gather's pixels: of kTilePixels, or some of these where packed pixels are few.
int64_t tile_pixels(const Gather& gather, bool statistics) {
  const int64_t row_bytes = larger<int64_t>(1, Depth(gather).steps) * kTileDepth * static_cast<int64_t>(sizeof(Bf16));
  const int64_t fitting = kPackedBytes / (row_bytes * kTilePixels);
  const int64_t most = ceil_div(gather.pixels(), kTasks * kTilePixels);
  const int64_t tiles = statistics ? 1 : larger<int64_t>(1, smaller(fitting, most));
  return kTilePixels * smaller(tiles, kTablePixels / kTilePixels);
}

struct Epilogue {
  const float* bias;
  const Bf16* addend;
  Bf16* output;
  Activation activation;
  float* statistics;
};

// A worker's memory: the table, packed pixels, and sums of a tile with one pair of panels.
template <class Element>
struct Scratch {
  Table<Element> table;
  Bf16* packed;
  float* sums;

  static size_t packed_bytes(const Gather& gather, int64_t pixels) {
    return static_cast<size_t>(pixels * Depth(gather).steps * kTileDepth) * sizeof(Bf16);
  }
  static size_t bytes(const Gather& gather, int64_t pixels) {
    return align(Table<Element>::bytes(gather)) + packed_bytes(gather, pixels) +
           static_cast<size_t>(pixels * kBlock) * sizeof(float);
  }
  Scratch(const Gather& gather, int64_t pixels, std::byte* memory)
      : table(gather, memory),
        packed(reinterpret_cast<Bf16*>(memory + align(Table<Element>::bytes(gather)))),
        sums(reinterpret_cast<float*>(reinterpret_cast<std::byte*>(packed) + packed_bytes(gather, pixels))) {}
};

// Workspace: a row of zeros, the packed weights of all phases, a Scratch for each worker.
struct Workspace {
  size_t weights, workers, worker_stride, total;

  template <class Element>
  static Workspace of(const Gather& widest, int64_t weights, size_t scratch) {
    Workspace layout{};
    layout.weights = align(static_cast<size_t>(larger(widest.source_pitch, widest.channels)) * sizeof(Element));
    layout.workers = layout.weights + static_cast<size_t>(weights) * sizeof(Bf16);
    layout.worker_stride = align(scratch);
    layout.total = layout.workers + layout.worker_stride * static_cast<size_t>(thread_count());
    return layout;
  }
};

// packed[half of 32 pixels][step][16 pixels][32 values] of the taps of a tile's pixels; zeros behind the last one.
template <class Element>
void pack_pixels(const Gather& gather, const Table<Element>& table, int64_t group, int64_t count, Bf16* packed) {
  const Depth depth(gather);
  const int64_t rows = ceil_div(count, kBlock) * kBlock;
  const int64_t whole = depth.channels / kTileDepth, rest = depth.channels % kTileDepth;
  for (int64_t tap = 0; tap < gather.taps(); ++tap) {
    const Element* const* sources = table.sources + tap * kTablePixels;
    for (int64_t pixel = 0; pixel < rows; ++pixel) {
      Bf16* to = packed + (pixel / kTileRows * depth.steps + tap * depth.tap_steps) * kTileElements +
                 pixel % kTileRows * kTileDepth;
      if (pixel >= count) {
        for (int64_t step = 0; step < depth.tap_steps; ++step) {
          store_row(to + step * kTileElements, _mm512_setzero_si512());
        }
        continue;
      }
      const Element* from = sources[pixel] + group * depth.channels;
      for (int64_t step = 0; step < whole; ++step) {
        store_row(to + step * kTileElements, row_of(from + step * kTileDepth, kTileDepth));
      }
      if (rest > 0) store_row(to + whole * kTileElements, row_of(from + whole * kTileDepth, rest));
    }
  }
}

// Whether the rows of a tile's pixels can be read where they are: they lie evenly apart, and whole steps fill them.
bool reads_in_place(const Gather& gather, int64_t count) {
  return gather.taps() == 1 && gather.channels % kTileDepth == 0 && count % kBlock == 0 && gather.y.source_step == 1 &&
         gather.x.source_step == 1 && gather.y.offset_first == 0 && gather.x.offset_first == 0 &&
         gather.y.count == gather.y.source_extent && gather.x.count == gather.x.source_extent;
}

// The results of a tile with one pair of panels, `channels` of them from `channel` on.
template <Activation kActivation>
void finish(const Epilogue& epilogue, const int64_t* destinations, int64_t count, int64_t channel, int64_t channels,
            const float* sums) {
  const auto first = static_cast<int>(smaller<int64_t>(kLanes, channels)), second = static_cast<int>(channels) - first;
  for (int64_t pixel = 0; pixel < count; ++pixel, sums += kBlock) {
    const int64_t at = destinations[pixel] + channel;
    Pair result = load_pair(sums);
    if (epilogue.addend != nullptr) {
      result.a = result.a + load_n(epilogue.addend + at, first);
      if (second > 0) result.b = result.b + load_n(epilogue.addend + at + kLanes, second);
    }
    result = activate<kActivation>(result);
    const auto rounded = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(result.b.v, result.a.v));
    if (channels == kBlock) {
      _mm512_storeu_si512(epilogue.output + at, rounded);
    } else {
      _mm512_mask_storeu_epi16(epilogue.output + at, static_cast<__mmask32>((uint64_t{1} << channels) - 1U), rounded);
    }
  }
}

void add_bias(const float* bias, int64_t count, int64_t channels, float* sums) {
  for (int64_t v = 0; v * kLanes < channels; ++v) {
    const Vec b = load_n(bias + v * kLanes, static_cast<int>(smaller<int64_t>(kLanes, channels - v * kLanes)));
    for (int64_t pixel = 0; pixel < count; ++pixel) {
      float* at = sums + pixel * kBlock + v * kLanes;
      store(at, load(at) + b);
    }
  }
}

// statistics are of the results with the addend.
void add_addend(const Epilogue& epilogue, const int64_t* destinations, int64_t count, int64_t channel, int64_t channels,
                float* sums) {
  for (int64_t pixel = 0; pixel < count; ++pixel) {
    for (int64_t v = 0; v * kLanes < channels; ++v) {
      const int lanes = static_cast<int>(smaller<int64_t>(kLanes, channels - v * kLanes));
      float* at = sums + pixel * kBlock + v * kLanes;
      store(at, load(at) + load_n(epilogue.addend + destinations[pixel] + channel + v * kLanes, lanes));
    }
  }
}

template <class Element>
class TileTask {
 public:
  TileTask(const Gather& gather, const Element* source, const Bf16* weights, Epilogue epilogue)
      : gather_(gather), depth_(gather), source_(source), weights_(weights), epilogue_(epilogue) {}

  // Pixels first .. first + count - 1 with the pairs of panels begin .. end - 1 of all groups.
  void run(int64_t first, int64_t count, int64_t begin, int64_t end, const Element* zeros, Scratch<Element>& scratch) {
    scratch.table.fill(gather_, source_, zeros, first, count);
    const bool in_place = sizeof(Element) == sizeof(Bf16) && reads_in_place(gather_, count);
    int64_t packed_group = -1;
    offsets_of_sums(count);
    for (int64_t column = begin; column < end; ++column) {
      const int64_t group = column / panel_pairs(gather_), pair = column % panel_pairs(gather_);
      if (!in_place && group != packed_group) pack_pixels(gather_, scratch.table, group, count, scratch.packed);
      packed_group = group;
      multiply_tile(in_place ? reinterpret_cast<const std::byte*>(scratch.table.sources[0]) : nullptr, group, column,
                    count, scratch);
      finish_tile(first, count, group, pair, scratch);
    }
  }

 private:
  void offsets_of_sums(int64_t count) {
    for (int64_t pixel = 0; pixel < smaller(count, kTilePixels); ++pixel) offsets_[pixel] = pixel * kBlock;
  }

  // rows: of the first group's channels, where they are read in place.
  void multiply_tile(const std::byte* rows, int64_t group, int64_t column, int64_t count,
                     const Scratch<Element>& scratch) const {
    TileProduct product{};
    product.columns = weights_ + column * 2 * depth_.steps * kTileElements;
    product.columns_half = depth_.steps * kTileElements;
    product.steps = depth_.steps;
    for (int64_t block = 0; block < ceil_div(count, kBlock); ++block) {
      if (rows != nullptr) {
        product.rows_stride = gather_.source_pitch * static_cast<int64_t>(sizeof(Bf16));
        product.rows_step = kTileDepth * static_cast<int64_t>(sizeof(Bf16));
        product.rows_half = kTileRows * product.rows_stride;
        product.rows =
            rows + group * gather_.channels * static_cast<int64_t>(sizeof(Bf16)) + block * kBlock * product.rows_stride;
      } else {
        product.rows_stride = kTileDepth * static_cast<int64_t>(sizeof(Bf16));
        product.rows_step = kTileElements * static_cast<int64_t>(sizeof(Bf16));
        product.rows_half = depth_.steps * product.rows_step;
        product.rows = reinterpret_cast<const std::byte*>(scratch.packed) + block * 2 * product.rows_half;
      }
      clear_sums();
      multiply(product);
      store_sums(scratch.sums + block * kBlock * kBlock, kBlock, kTileRows * kBlock, kTileRows);
    }
  }

  void finish_tile(int64_t first, int64_t count, int64_t group, int64_t pair, const Scratch<Element>& scratch) const {
    const int64_t channel = group * gather_.outputs + pair * kBlock;
    const int64_t channels = smaller(kBlock, gather_.outputs - pair * kBlock);
    const int64_t* destinations = scratch.table.destinations;
    Epilogue epilogue = epilogue_;
    if (epilogue.bias != nullptr) add_bias(epilogue.bias + channel, count, channels, scratch.sums);
    if (epilogue.statistics != nullptr) {
      if (epilogue.addend != nullptr) add_addend(epilogue, destinations, count, channel, channels, scratch.sums);
      epilogue.addend = nullptr;
      float* statistics = epilogue.statistics + first / kTilePixels * 2 * gather_.result_pitch() + channel;
      write_statistics({scratch.sums, offsets_, count, channels}, statistics, statistics + gather_.result_pitch());
    }
    with_activation(epilogue.activation, [&](auto tag) {
      finish<decltype(tag)::value>(epilogue, destinations, count, channel, channels, scratch.sums);
    });
  }

  const Gather& gather_;
  const Depth depth_;
  const Element* source_;
  const Bf16* weights_;
  const Epilogue epilogue_;
  int64_t offsets_[kTilePixels];
};

template <class Element>
void run_gather(const Gather& gather, const Element* source, const Bf16* weights, const Epilogue& epilogue,
                const Workspace& layout, std::byte* workspace) {
  const int64_t pixels = gather.pixels();
  const int64_t height = tile_pixels(gather, epilogue.statistics != nullptr);
  const int64_t tiles = ceil_div(pixels, height);
  const int64_t columns = gather.groups * panel_pairs(gather);
  const int64_t column_work = height * Depth(gather).steps * kTileDepth * kBlock;
  const int64_t splits = smaller(ceil_div(kTasks, tiles), ceil_div(columns * column_work, kTaskWork));
  const int64_t parts = larger<int64_t>(1, smaller(columns, splits));
  const auto* zeros = reinterpret_cast<const Element*>(workspace);
  parallel_for(tiles * parts, [&](int64_t index, int worker) {
    const int64_t tile = index / parts, part = index % parts;
    const TileScope scope;
    Scratch<Element> scratch(gather, height,
                             workspace + layout.workers + layout.worker_stride * static_cast<size_t>(worker));
    TileTask<Element> task(gather, source, weights, epilogue);
    task.run(tile * height, smaller(height, pixels - tile * height), columns * part / parts,
             columns * (part + 1) / parts, zeros, scratch);
  });
}

// Weights as a gather multiplies them: [tap][value reduced][output], or where `transposed` [tap][output][value].
struct WeightView {
  const float* data;
  int64_t pitch, tap_stride, group_stride, kernel_w;
  bool transposed;
};

// packed[group][panel][step][16 pairs][16 outputs][2], zeros where there is nothing.
void pack_weights(const Gather& gather, const WeightView& view, Bf16* packed) {
  const Depth depth(gather);
  const int64_t pairs = panel_pairs(gather);
  parallel_for(gather.groups * pairs * gather.taps(), [&](int64_t index, int) {
    const int64_t tap = index % gather.taps();
    const int64_t pair = index / gather.taps() % pairs, group = index / gather.taps() / pairs;
    const int64_t kernel = (gather.y.tap_first + tap / gather.x.taps * gather.y.tap_step) * view.kernel_w +
                           gather.x.tap_first + tap % gather.x.taps * gather.x.tap_step;
    const float* from = view.data + kernel * view.tap_stride + group * view.group_stride;
    Bf16* low = packed + ((group * pairs + pair) * 2 * depth.steps + tap * depth.tap_steps) * kTileElements;
    Bf16* high = low + depth.steps * kTileElements;
    const int64_t output = pair * kBlock, outputs = smaller(kBlock, gather.outputs - output);
    for (int64_t first = 0; first < depth.tap_steps * kTileDepth; first += kTileDepth) {
      const int64_t count = smaller(kTileDepth, depth.channels - first);
      if (view.transposed) {
        for (int64_t row = 0; row < kBlock; ++row) {
          const float* values = from + (output + row) * view.pitch + first;
          store_row((row < kTileRows ? low : high) + row % kTileRows * kTileDepth,
                    row < outputs ? row_of(values, count) : _mm512_setzero_si512());
        }
        transpose_pairs(low);
        transpose_pairs(high);
      } else {
        const auto row = [&](int64_t i) { return i < count ? from + (first + i) * view.pitch + output : nullptr; };
        pack_columns(row, outputs, low, high);
      }
      low += kTileElements;
      high += kTileElements;
    }
  });
}

WeightView forward_weight(const ConvGeometry& geometry, const Gather& gather, const float* weight) {
  return {
      weight, geometry.out_c, gather.channels * geometry.out_c, gather.outputs, gather.windows ? 1 : geometry.kernel_w,
      false};
}

Workspace forward_layout(const ConvGeometry& geometry) {
  const Gather gather = forward_gather(geometry);
  const size_t scratch = larger(Scratch<float>::bytes(gather, tile_pixels(gather, false)),
                                Scratch<float>::bytes(gather, tile_pixels(gather, true)));
  return Workspace::of<float>(gather, packed_weights(gather), scratch);
}

Workspace grad_input_layout(const ConvGeometry& geometry) {
  int64_t weights = 0;
  size_t scratch = 0;
  for (int64_t phase = 0; phase < grad_input_phases(geometry); ++phase) {
    const Gather gather = grad_input_gather(geometry, phase);
    weights = larger(weights, packed_weights(gather));
    scratch = larger(scratch, Scratch<Bf16>::bytes(gather, tile_pixels(gather, false)));
  }
  return Workspace::of<Bf16>(grad_input_gather(geometry, 0), weights, scratch);
}

void clear_zeros(const Workspace& layout, std::byte* workspace) {
  for (size_t i = 0; i < layout.weights; i += 64) {
    _mm512_store_si512(workspace + i, _mm512_setzero_si512());
  }
}

void forward(const ConvGeometry& geometry, const Bf16ConvForwardArgs& args) {
  const Gather gather = forward_gather(geometry);
  const Workspace layout = forward_layout(geometry);
  auto* workspace = static_cast<std::byte*>(args.workspace);
  clear_zeros(layout, workspace);
  const auto* weights = static_cast<const Bf16*>(args.prepared_weight);
  if (weights == nullptr) {
    auto* own = reinterpret_cast<Bf16*>(workspace + layout.weights);
    pack_weights(gather, forward_weight(geometry, gather, args.weight), own);
    weights = own;
  }
  const Epilogue epilogue{args.bias, args.addend, args.output, args.activation, args.statistics};
  if (args.input != nullptr) {
    run_gather(gather, args.input, weights, epilogue, layout, workspace);
  } else {
    run_gather(gather, args.wide_input, weights, epilogue, layout, workspace);
  }
}

void grad_input(const ConvGeometry& geometry, const Bf16ConvGradInputArgs& args) {
  const Workspace layout = grad_input_layout(geometry);
  auto* workspace = static_cast<std::byte*>(args.workspace);
  clear_zeros(layout, workspace);
  auto* weights = reinterpret_cast<Bf16*>(workspace + layout.weights);
  for (int64_t phase = 0; phase < grad_input_phases(geometry); ++phase) {
    const Gather gather = grad_input_gather(geometry, phase);
    if (gather.pixels() == 0) continue;
    const WeightView view{args.weight,     geometry.out_c,    gather.outputs * geometry.out_c,
                          gather.channels, geometry.kernel_w, true};
    pack_weights(gather, view, weights);
    run_gather(gather, args.grad_output, weights, {nullptr, args.addend, args.grad_input, Activation::none, nullptr},
               layout, workspace);
  }
}

size_t forward_workspace(const ConvGeometry& geometry) { return forward_layout(geometry).total; }
size_t grad_input_workspace(const ConvGeometry& geometry) { return grad_input_layout(geometry).total; }

size_t prepared_bytes(const ConvGeometry& geometry) {
  return static_cast<size_t>(packed_weights(forward_gather(geometry))) * sizeof(Bf16);
}

void prepare(const ConvGeometry& geometry, const float* weight, void* into) {
  const Gather gather = forward_gather(geometry);
  pack_weights(gather, forward_weight(geometry, gather, weight), static_cast<Bf16*>(into));
}

}  // namespace

const Bf16ConvKernels& tile_conv_kernels() {
  static constexpr Bf16ConvKernels kKernels{forward,
                                            grad_input,
                                            tile_conv_grad_weight,
                                            forward_workspace,
                                            grad_input_workspace,
                                            tile_conv_grad_weight_workspace,
                                            prepared_bytes,
                                            prepare};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
