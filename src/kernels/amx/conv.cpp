// Forward and input gradient: for each tile of pixels the values of all taps are packed, a row a pixel, as the table of
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

// The reduction of a gather: the channels of tap after tap, up to whole steps.
struct Depth {
  int64_t values, steps;

  explicit Depth(const Gather& gather) : values(gather.taps() * gather.channels), steps(ceil_div(values, kTileDepth)) {}
};

// Where packed pixels lie. Where taps are whole steps, tile after tile, which is how they are read; else a row a pixel,
// the channels of its taps one behind the other. Rows are an odd number of lines apart, or those of a tile would meet
// in few sets of the first cache.
struct PixelLayout {
  bool tiled;
  int64_t pitch, step, half;  // as TileProduct's
  int64_t pixel_elements;

  explicit PixelLayout(const Gather& gather) : tiled(gather.channels % kTileDepth == 0) {
    const int64_t steps = Depth(gather).steps;
    pitch = tiled ? kTileDepth : (steps | 1) * kTileDepth;
    step = tiled ? kTileElements : kTileDepth;
    half = tiled ? steps * kTileElements : kTileRows * pitch;
    pixel_elements = half / kTileRows;
  }
};

// Panels of 16 outputs, in pairs.
int64_t panel_pairs(const Gather& gather) { return ceil_div(gather.outputs, kBlock); }
int64_t packed_weights(const Gather& gather) {
  return gather.groups * panel_pairs(gather) * 2 * Depth(gather).steps * kTileElements;
}

// Tiles of a gather's pixels: of kTilePixels, or some of these where packed pixels are few.
int64_t tile_pixels(const Gather& gather, bool statistics) {
  const int64_t row_bytes = larger<int64_t>(1, PixelLayout(gather).pixel_elements) * static_cast<int64_t>(sizeof(Bf16));
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
    return static_cast<size_t>(pixels * PixelLayout(gather).pixel_elements + kTileDepth) * sizeof(Bf16);
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

template <class Element>
void pack_tiles(const Gather& gather, const Table<Element>& table, int64_t group, int64_t count, Bf16* packed) {
  const int64_t steps = Depth(gather).steps, tap_steps = gather.channels / kTileDepth;
  for (int64_t tap = 0; tap < gather.taps(); ++tap) {
    const Element* const* sources = table.sources + tap * kTablePixels;
    for (int64_t pixel = 0; pixel < count; ++pixel) {
      const Element* from = sources[pixel] + group * gather.channels;
      Bf16* to =
          packed + (pixel / kTileRows * steps + tap * tap_steps) * kTileElements + pixel % kTileRows * kTileDepth;
      for (int64_t step = 0; step < tap_steps; ++step) {
        store_row(to + step * kTileElements, row_of(from + step * kTileDepth, kTileDepth));
      }
    }
  }
}

// Stores reach into what is written after them.
template <class Element>
void pack_pixel_rows(const Gather& gather, const Table<Element>& table, int64_t group, int64_t count, Bf16* packed) {
  const int64_t channels = gather.channels, pitch = PixelLayout(gather).pitch;
  for (int64_t pixel = 0; pixel < count; ++pixel) {
    Bf16* to = packed + pixel * pitch;
    for (int64_t tap = 0; tap < gather.taps(); ++tap, to += channels) {
      const Element* from = table.sources[tap * kTablePixels + pixel] + group * channels;
      for (int64_t c = 0; c < channels; c += kTileDepth) {
        _mm512_storeu_si512(to + c, row_of(from + c, smaller(kTileDepth, channels - c)));
      }
    }
    if (gather.taps() * channels % kTileDepth != 0) _mm512_storeu_si512(to, _mm512_setzero_si512());
  }
}

// The taps of a tile's pixels, as PixelLayout says; zeros behind the last pixel, up to whole blocks.
template <class Element>
void pack_pixels(const Gather& gather, const Table<Element>& table, int64_t group, int64_t count, Bf16* packed) {
  const PixelLayout layout(gather);
  (layout.tiled ? pack_tiles<Element> : pack_pixel_rows<Element>)(gather, table, group, count, packed);
  for (int64_t pixel = count; pixel % kBlock != 0; ++pixel) {
    Bf16* row = packed + pixel / kTileRows * layout.half + pixel % kTileRows * layout.pitch;
    for (int64_t step = 0; step < Depth(gather).steps; ++step) {
      store_row(row + step * layout.step, _mm512_setzero_si512());
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
      multiply_tile(in_place ? reinterpret_cast<const Bf16*>(scratch.table.sources[0]) : nullptr, group, column, count,
                    scratch);
      finish_tile(first, count, group, pair, scratch);
    }
  }

 private:
  void offsets_of_sums(int64_t count) {
    for (int64_t pixel = 0; pixel < smaller(count, kTilePixels); ++pixel) offsets_[pixel] = pixel * kBlock;
  }

  // rows: of the first group's channels, where they are read in place.
  void multiply_tile(const Bf16* rows, int64_t group, int64_t column, int64_t count,
                     const Scratch<Element>& scratch) const {
    PixelLayout layout(gather_);
    if (rows != nullptr) {
      layout.pitch = gather_.source_pitch;
      layout.step = kTileDepth;
      layout.half = kTileRows * layout.pitch;
    }
    rows = rows == nullptr ? scratch.packed : rows + group * gather_.channels;
    const Bf16* columns = weights_ + column * 2 * depth_.steps * kTileElements;
    for (int64_t block = 0; block < ceil_div(count, kBlock); ++block) {
      clear_sums();
      multiply({rows + block * 2 * layout.half, layout.pitch, layout.step, layout.half, columns,
                depth_.steps * kTileElements, depth_.steps});
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
  const auto tap_of = [&](int64_t group, int64_t tap) {
    const int64_t kernel = (gather.y.tap_first + tap / gather.x.taps * gather.y.tap_step) * view.kernel_w +
                           gather.x.tap_first + tap % gather.x.taps * gather.x.tap_step;
    return view.data + kernel * view.tap_stride + group * view.group_stride;
  };
  parallel_for(gather.groups * pairs * depth.steps, [&](int64_t index, int) {
    const int64_t step = index % depth.steps;
    const int64_t pair = index / depth.steps % pairs, group = index / depth.steps / pairs;
    Bf16* low = packed + ((group * pairs + pair) * 2 * depth.steps + step) * kTileElements;
    Bf16* high = low + depth.steps * kTileElements;
    const int64_t output = pair * kBlock, outputs = smaller(kBlock, gather.outputs - output);
    const int64_t first = step * kTileDepth, count = smaller(kTileDepth, depth.values - first);
    if (!view.transposed) {
      const auto row = [&](int64_t i) {
        const int64_t value = first + i;
        return i < count ? tap_of(group, value / gather.channels) + value % gather.channels * view.pitch + output
                         : nullptr;
      };
      pack_columns(row, outputs, low, high);
      return;
    }
    const int64_t channel = first % gather.channels;
    const float* within_tap =
        channel + count <= gather.channels ? tap_of(group, first / gather.channels) + channel : nullptr;
    for (int64_t row = 0; row < kBlock; ++row) {
      const int64_t offset = (output + row) * view.pitch;
      __m512i values = _mm512_setzero_si512();
      if (row < outputs && within_tap != nullptr) {
        values = row_of(within_tap + offset, count);
      } else if (row < outputs) {
        float collected[kTileDepth] = {};
        for (int64_t i = 0; i < count; ++i) {
          collected[i] = tap_of(group, (first + i) / gather.channels)[offset + (first + i) % gather.channels];
        }
        values = row_of(collected, kTileDepth);
      }
      store_row((row < kTileRows ? low : high) + row % kTileRows * kTileDepth, values);
    }
    transpose_pairs(low);
    transpose_pairs(high);
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
