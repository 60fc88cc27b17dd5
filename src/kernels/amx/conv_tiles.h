// What convolutions on matrix tiles have in common, of brain floats and of bytes: for each tile of pixels the values of
// all taps are packed, a row a pixel, as the table of addresses (isa/conv_gather.h) finds them, and multiplied by the
// packed weights of two panels of 16 outputs at a time, 32 pixels by 32 outputs in the tile registers. A 1x1 layer's
// rows are read where they are. Where it takes less time a tap is a kernel row (Gather::windows), and the rows of a
// tile are windows that overlap in copies of the source's rows, so that each value is copied for all taps at once.
//
// Source is the type of the maps, Number that of what is multiplied.
#pragma once

#include <type_traits>

#include "core/parallel.h"
#include "kernels/amx/conv_windows.h"
#include "kernels/amx/tile.h"
#include "kernels/isa/conv_gather.h"
#include "kernels/isa/conv_microkernel.h"

namespace convoy::kernels::CONVOY_ISA {

// Bytes of packed pixels that leave room for the weights of two panels in the second cache.
inline constexpr int64_t kPackedBytes = 1000 << 10;
inline constexpr int64_t kTablePixels = 8 * kTilePixels;
template <class Source>
using TileTable = GatherTable<kTablePixels, Source>;

// The reduction of a gather: the channels of tap after tap, up to whole steps; each window begins with a step.
template <class Number>
struct TileDepth {
  int64_t tap_values, values, steps;

  explicit TileDepth(const Gather& gather)
      : tap_values(gather.windows ? ceil_div(gather.channels, kDepthOf<Number>) * kDepthOf<Number> : gather.channels),
        values(gather.taps() * tap_values),
        steps(ceil_div(values, kDepthOf<Number>)) {}
};

// Whether the rows of a tile's pixels are read where they are, which they are evenly apart.
template <class Source, class Number>
bool reads_in_place(const Gather& gather) {
  return std::is_same_v<Source, Number> && gather.is_pointwise();
}

// Where packed pixels lie. Where taps are whole steps, tile after tile, which is how they are read; else a row a pixel,
// the channels of its taps one behind the other. Rows are an odd number of lines apart, or those of a tile would meet
// in few sets of the first cache.
template <class Number>
struct PixelLayout {
  bool tiled;
  int64_t pitch, step, half;  // as TileProduct's
  int64_t pixel_elements;

  explicit PixelLayout(const Gather& gather) : tiled(gather.channels % kDepthOf<Number> == 0) {
    const int64_t steps = TileDepth<Number>(gather).steps;
    pitch = tiled ? kDepthOf<Number> : (steps | 1) * kDepthOf<Number>;
    step = tiled ? kElementsOf<Number> : kDepthOf<Number>;
    half = tiled ? steps * kElementsOf<Number> : kTileRows * pitch;
    pixel_elements = half / kTileRows;
  }
};

// Panels of 16 outputs, in pairs.
inline int64_t panel_pairs(const Gather& gather) { return ceil_div(gather.outputs, kBlock); }
template <class Number>
int64_t packed_weights(const Gather& gather) {
  return gather.groups * panel_pairs(gather) * 2 * TileDepth<Number>(gather).steps * kElementsOf<Number>;
}

// Cycles, as measured: of a byte that is packed, of a product of 32 x 32 sums, of what follows these, of one byte of
// weights that are in the second cache or beyond it.
inline constexpr double kPacked = 0.12, kProduct = 80, kFinish = 700, kNear = 0.03, kFar = 0.15;
inline constexpr int64_t kNearBytes = 1 << 20;

// Of two panels.
template <class Number>
double weight_cycles(const Gather& gather) {
  const auto bytes = static_cast<int64_t>(sizeof(Number)) * 2 * TileDepth<Number>(gather).steps * kElementsOf<Number>;
  const bool near = gather.groups * panel_pairs(gather) * bytes <= kNearBytes;
  return (near ? kNear : kFar) * static_cast<double>(bytes);
}

// Values that are copied for a pixel, and for the rows of windows above and below those of a tile.
template <class Number>
int64_t copied_elements(const Gather& gather) {
  return gather.windows ? WindowLayout(gather).pitch * gather.y.source_step
                        : PixelLayout<Number>(gather).pixel_elements;
}
inline int64_t edge_elements(const Gather& gather) {
  const WindowLayout layout(gather);
  return layout.span * layout.row;
}

// Blocks of a tile that leave room for weights in the second cache.
template <class Number>
int64_t fitting_blocks(const Gather& gather) {
  const int64_t bytes = kBlock * copied_elements<Number>(gather) * int64_t{sizeof(Number)};
  return smaller(larger<int64_t>(1, kPackedBytes / larger<int64_t>(1, bytes)), kTablePixels / kBlock);
}

// Cycles of a block, of which those in windows have some pixels that are of no use.
template <class Number>
double block_cycles(const Gather& gather) {
  const WindowLayout layout(gather);
  double used = 1;
  if (gather.windows && layout.runs_on) {
    const int64_t rows = gather.y.count, width = gather.x.count;
    used = static_cast<double>(rows * width) /
           static_cast<double>(ceil_div(rows * (width + layout.gap) - layout.gap, kBlock) * kBlock);
  } else if (gather.windows) {
    used = static_cast<double>(gather.x.count) / static_cast<double>(ceil_div(gather.x.count, kBlock) * kBlock);
  }
  const auto bytes = static_cast<double>(kBlock * copied_elements<Number>(gather)) * sizeof(Number);
  const double sums = kProduct * static_cast<double>(TileDepth<Number>(gather).steps) + kFinish;
  const double weights = weight_cycles<Number>(gather) / static_cast<double>(fitting_blocks<Number>(gather));
  return kPacked * bytes + static_cast<double>(panel_pairs(gather)) * (sums / used + weights);
}

// The gather with kernel rows for taps, or as it is, whichever takes less time: that depends on the layer and the width
// of its map alone.
template <class Number>
Gather tile_gather(const Gather& gather) {
  const GatherAxis& x = gather.x;
  const bool has_rows = x.taps == 1 || x.offset_step == 1 || x.offset_step == -1;
  // Of longer rows a tile would need a small part.
  const bool whole_rows = x.count <= kTablePixels;
  if (gather.windows || gather.groups > 1 || gather.taps() <= 1 || !has_rows || !whole_rows) return gather;
  Gather windows = gather;
  windows.windows = true;
  windows.window_pixels = x.taps;
  windows.channels *= x.taps;
  windows.x.taps = 1;
  if (x.taps > 1 && x.offset_step == -1) {  // the other way round
    windows.x.offset_first = x.offset_first - (x.taps - 1);
    windows.x.tap_first = x.tap_first + (x.taps - 1) * x.tap_step;
    windows.x.tap_step = -x.tap_step;
  }
  return block_cycles<Number>(windows) < block_cycles<Number>(gather) ? windows : gather;
}

// How a problem is cut into tasks: tiles of `height` pixels, and the panels into `parts`. Each task packs its pixels.
struct TileCut {
  int64_t height, parts;
};

// The cut that is expected to take the least time; results do not depend on it. With statistics tiles are kTilePixels.
template <class Number>
TileCut cut_of(const Gather& gather, bool statistics) {
  constexpr double kTask = 2000;  // cycles
  constexpr int64_t kMostParts = 64;
  const int64_t columns = gather.groups * panel_pairs(gather), steps = TileDepth<Number>(gather).steps;
  const int64_t block_bytes = kBlock * copied_elements<Number>(gather) * int64_t{sizeof(Number)};
  const double packing = !gather.is_pointwise() ? kPacked * static_cast<double>(block_bytes * gather.groups) : 0;
  const double edges = gather.windows ? kPacked * static_cast<double>(edge_elements(gather)) * sizeof(Number) : 0;
  const double weights = weight_cycles<Number>(gather);
  const double sums = kProduct * static_cast<double>(steps) + kFinish;
  const int64_t blocks = ceil_div(gather.pixels(), kBlock);
  const int64_t fewest = statistics ? kTilePixels / kBlock : 1;  // of which there are whole ones
  const int64_t most = larger(fewest, smaller(fitting_blocks<Number>(gather), blocks));
  TileCut best{kBlock * fewest, 1};
  double least = __builtin_inf();
  for (int64_t height = fewest; height <= most; height += larger<int64_t>(1, height / fewest / 2) * fewest) {
    for (int64_t parts = 1; parts <= smaller(columns, kMostParts); parts += larger<int64_t>(1, parts / 2)) {
      const double panels = static_cast<double>(ceil_div(columns, parts)), tile = static_cast<double>(height);
      const double task = kTask + edges + packing * tile / (parts < gather.groups ? static_cast<double>(parts) : 1.0) +
                          panels * (weights + tile * sums);
      // Some time is lost at the end, when threads wait for the last.
      const double rounds = 0.25 + static_cast<double>(ceil_div(ceil_div(blocks, height) * parts, thread_count()));
      if (rounds * task >= least) continue;
      least = rounds * task;
      best = {kBlock * height, parts};
    }
  }
  return best;
}

// Pixels of a tile at the most that are packed where others are read where they are: fewer than a block, and those
// whose steps may reach beyond the source.
inline constexpr int64_t kMostTail = 3 * kBlock;
static_assert(kMostTail >= kBlock + kDepthOf<uint8_t>);

// Floats that are kept of a block's sums.
inline constexpr int64_t kKept = 3 * kBlock;

// A worker's memory: the table, packed pixels, sums of two blocks with one pair of panels, what is kept of some of them
// (TileSums), the order of the steps of windows, blocks.
template <class Source, class Number, class Sum>
struct TileScratch {
  TileTable<Source> table;
  Number* packed;
  Sum* sums;
  float* kept;
  TileStep* order;
  TileBlock* blocks;

  static size_t table_bytes(const Gather& gather) {
    Gather addresses = gather;
    addresses.windows = false;  // which are no addresses
    return align(TileTable<Source>::bytes(addresses));
  }
  static size_t packed_bytes(const Gather& gather, int64_t pixels) {
    if (reads_in_place<Source, Number>(gather)) pixels = smaller(pixels, kMostTail);
    const int64_t elements = gather.windows ? WindowLayout(gather).elements(gather, pixels)
                                            : pixels * PixelLayout<Number>(gather).pixel_elements;
    return align(static_cast<size_t>(elements + kDepthOf<Number>) * sizeof(Number));
  }
  static constexpr size_t kSumsBytes = 2 * kBlock * kBlock * sizeof(Sum), kKeptBytes = kKept * sizeof(float);
  static size_t order_bytes(const Gather& gather) {
    return align(static_cast<size_t>(TileDepth<Number>(gather).steps) * sizeof(TileStep));
  }
  static size_t bytes(const Gather& gather, int64_t pixels) {
    return table_bytes(gather) + packed_bytes(gather, pixels) + kSumsBytes + kKeptBytes + order_bytes(gather) +
           align(static_cast<size_t>(pixels) * sizeof(TileBlock));
  }
  TileScratch(const Gather& gather, int64_t pixels, std::byte* memory)
      : table(gather, memory),
        packed(reinterpret_cast<Number*>(memory + table_bytes(gather))),
        sums(reinterpret_cast<Sum*>(reinterpret_cast<std::byte*>(packed) + packed_bytes(gather, pixels))),
        kept(reinterpret_cast<float*>(reinterpret_cast<std::byte*>(sums) + kSumsBytes)),
        order(reinterpret_cast<TileStep*>(kept + kKept)),
        blocks(reinterpret_cast<TileBlock*>(reinterpret_cast<std::byte*>(order) + order_bytes(gather))) {}
};

// Where things are in the workspace: a row of padding, the packed weights of all phases, a TileScratch for each worker.
struct TileWorkspace {
  size_t weights, workers;

  template <class Source>
  static TileWorkspace of(const Gather& widest, size_t weight_bytes) {
    const size_t weights = align(static_cast<size_t>(larger(widest.source_pitch, widest.channels)) * sizeof(Source));
    return {weights, weights + align(weight_bytes)};
  }
  // scratch: bytes of one.
  size_t total(size_t scratch) const { return workers + align(scratch) * static_cast<size_t>(thread_count()); }
};

template <class Source, class Number>
void pack_tiles(const Gather& gather, const TileTable<Source>& table, int64_t group, int64_t count, Number* packed) {
  constexpr int64_t kDepth = kDepthOf<Number>;
  const int64_t steps = TileDepth<Number>(gather).steps, tap_steps = gather.channels / kDepth;
  for (int64_t tap = 0; tap < gather.taps(); ++tap) {
    const Source* const* sources = table.sources + tap * kTablePixels;
    for (int64_t pixel = 0; pixel < count; ++pixel) {
      const Source* from = sources[pixel] + group * gather.channels;
      Number* to =
          packed + (pixel / kTileRows * steps + tap * tap_steps) * kElementsOf<Number> + pixel % kTileRows * kDepth;
      for (int64_t step = 0; step < tap_steps; ++step) {
        store_row(to + step * kElementsOf<Number>, row_of(from + step * kDepth, kDepth));
      }
    }
  }
}

// Stores reach into what is written after them.
template <class Source, class Number>
void pack_pixel_rows(const Gather& gather, const TileTable<Source>& table, int64_t group, int64_t count,
                     Number* packed) {
  constexpr int64_t kDepth = kDepthOf<Number>;
  const int64_t channels = gather.channels, pitch = PixelLayout<Number>(gather).pitch;
  for (int64_t pixel = 0; pixel < count; ++pixel) {
    Number* to = packed + pixel * pitch;
    for (int64_t tap = 0; tap < gather.taps(); ++tap, to += channels) {
      const Source* from = table.sources[tap * kTablePixels + pixel] + group * channels;
      for (int64_t c = 0; c < channels; c += kDepth) {
        store_some(to + c, from + c, smaller(kDepth, channels - c));
      }
    }
    // Whatever bytes are there, they meet weights of zero; floats might be no numbers.
    const bool needs_zeros = sizeof(Number) > 1 && gather.taps() * channels % kDepth != 0;
    if (needs_zeros) _mm512_storeu_si512(to, _mm512_setzero_si512());
  }
}

// The taps of a tile's pixels, as PixelLayout says; zeros behind the last pixel, up to whole blocks.
template <class Source, class Number>
void pack_pixels(const Gather& gather, const TileTable<Source>& table, int64_t group, int64_t count, Number* packed) {
  const PixelLayout<Number> layout(gather);
  (layout.tiled ? pack_tiles<Source, Number> : pack_pixel_rows<Source, Number>)(gather, table, group, count, packed);
  for (int64_t pixel = count; pixel % kBlock != 0; ++pixel) {
    Number* row = packed + pixel / kTileRows * layout.half + pixel % kTileRows * layout.pitch;
    for (int64_t step = 0; step < TileDepth<Number>(gather).steps; ++step) {
      store_row(row + step * layout.step, _mm512_setzero_si512());
    }
  }
}

// How many of a tile's pixels are read where they are: whole blocks, of which no row reaches beyond the source. What a
// step reads behind a pixel's channels meets weights of zero.
template <class Number>
int64_t pixels_in_place(const Gather& gather, int64_t first, int64_t count) {
  const int64_t reach = TileDepth<Number>(gather).steps * kDepthOf<Number> - gather.channels;
  const int64_t pixels = gather.pixels() - ceil_div(reach, gather.source_pitch);
  return larger<int64_t>(0, smaller(count, pixels - first)) / kBlock * kBlock;
}

// Those behind, up to whole blocks.
template <class Number>
void pack_tail(const Gather& gather, const Number* source, int64_t group, int64_t first, int64_t count,
               Number* packed) {
  constexpr int64_t kDepth = kDepthOf<Number>;
  const PixelLayout<Number> layout(gather);
  for (int64_t pixel = 0; pixel < ceil_div(count, kBlock) * kBlock; ++pixel) {
    const Number* from = source + (first + pixel) * gather.source_pitch + group * gather.channels;
    Number* to = packed + pixel / kTileRows * layout.half + pixel % kTileRows * layout.pitch;
    for (int64_t step = 0; step < TileDepth<Number>(gather).steps; ++step) {
      const int64_t values = pixel < count ? smaller(kDepth, gather.channels - step * kDepth) : 0;
      store_row(to + step * layout.step, values > 0 ? row_of(from + step * kDepth, values) : _mm512_setzero_si512());
    }
  }
}

// What a problem is multiplied from, and what becomes of the sums.
template <class Source, class Number, class Sum>
struct TileProblem {
  const Gather& gather;
  const Source* source;
  const Source* padding;  // a row of what taps outside of the image have
  const Number* weights;  // packed
  // Of each output, kBlock for every pair of panels: what its sums begin with; or null.
  const Sum* starts = nullptr;
  bool statistics = false;  // whether no sums are taken across multiples of kTilePixels
};

// Sums of a tile with one pair of panels: `count` pixels from `first` on, kBlock sums apart, by `channels` outputs
// from `channel` on, whose results lie at destinations[pixel] + channel. `kept` has room for kKept floats, in which
// whoever takes the sums of one run of pixels leaves something for the next one, with the same outputs.
template <class Sum>
struct TileSums {
  Sum* sums;
  float* kept;
  const int64_t* destinations;
  int64_t first, count;
  int64_t channel, channels;
};

// The sums of a block, from `starts` on where there are some, with the first panels of a pair.
template <int kPanels, class Number, class Sum>
void multiply_block(const TileProduct<Number>& product, const Sum* starts, Sum* sums) {
  if (starts == nullptr) {
    clear_sums<kPanels>();
  } else {
    load_sums<kPanels>(starts, 0, 0, kTileRows);
  }
  if (product.order == nullptr) {
    multiply<kPanels>(product);
  } else {
    multiply<kPanels, true>(product);
  }
  store_sums<kPanels>(sums, kBlock, kTileRows * kBlock, kTileRows);
}

// Pixels first .. first + count - 1 with the pairs of panels begin .. end - 1 of all groups. finish(TileSums) takes the
// sums: of a block while the next one's are computed, so that both are in the first cache.
template <class Source, class Number, class Sum, class Finish>
void run_tile(const TileProblem<Source, Number, Sum>& problem, int64_t first, int64_t count, int64_t begin, int64_t end,
              TileScratch<Source, Number, Sum>& scratch, const Finish& finish) {
  const Gather& gather = problem.gather;
  const TileDepth<Number> depth(gather);
  const PixelLayout<Number> layout(gather);
  const int64_t pairs = panel_pairs(gather);
  const bool in_place = reads_in_place<Source, Number>(gather);
  const int64_t gap = WindowLayout(gather).gap;
  const bool fetches = core_is_shared();
  const int64_t packed_from = in_place ? pixels_in_place<Number>(gather, first, count) : 0;
  int64_t blocks = ceil_div(count, kBlock);
  if (gather.windows) {
    blocks = pack_windows(gather, problem.source, problem.padding, first, count, problem.statistics, scratch.packed,
                          scratch.blocks);
    order_steps<Number>(gather, scratch.order);
  } else {
    for (int64_t i = 0; i < blocks; ++i) scratch.blocks[i] = {i * kBlock, smaller(kBlock, count - i * kBlock), 0, 0};
  }
  if ((in_place || gather.windows) && gather.y.result_step == 1 && gather.x.result_step == 1) {
    for (int64_t i = 0; i < count; ++i) scratch.table.destinations[i] = (first + i) * gather.result_pitch();
  } else if (in_place || gather.windows) {
    scratch.table.locate(gather, first, count);
  } else {
    scratch.table.fill(gather, problem.source, problem.padding, first, count);
  }
  const auto pack = [&](int64_t group) {
    if (gather.windows || packed_from == count) return;
    if constexpr (std::is_same_v<Source, Number>) {
      if (in_place) {
        pack_tail(gather, problem.source, group, first + packed_from, count - packed_from, scratch.packed);
        return;
      }
    }
    pack_pixels(gather, scratch.table, group, count, scratch.packed);
  };
  int64_t packed_group = -1;
  for (int64_t column = begin; column < end; ++column) {
    const int64_t group = column / pairs, pair = column % pairs;
    if (group != packed_group) pack(group);
    packed_group = group;
    const Number* columns = problem.weights + column * 2 * depth.steps * kElementsOf<Number>;
    const int64_t channel = group * gather.outputs + pair * kBlock;
    const int64_t channels = smaller(kBlock, gather.outputs - pair * kBlock);
    const auto finish_block = [&](const TileBlock& block, Sum* sums) {
      each_run(gather, block, gap, problem.statistics, [&](int64_t place, int64_t pixel, int64_t pixels) {
        finish(TileSums<Sum>{sums + place * kBlock, scratch.kept, scratch.table.destinations + pixel, first + pixel,
                             pixels, channel, channels});
      });
    };
    for (int64_t i = 0; i < blocks; ++i) {
      const TileBlock& block = scratch.blocks[i];
      TileProduct<Number> product{
          nullptr, layout.pitch, layout.step, layout.half, columns, depth.steps * kElementsOf<Number>, depth.steps};
      // Rows in place are read for the first time with the first panels.
      product.fetches = fetches || (in_place && column == begin);
      if (gather.windows) {
        product.rows = scratch.packed + block.at;
        product.rows_pitch = gather.x.source_step * gather.source_pitch;
        product.rows_half = kTileRows * product.rows_pitch;
        product.order = scratch.order;
      } else if (block.pixel >= packed_from) {
        product.rows = scratch.packed + (block.pixel - packed_from) / kTileRows * layout.half;
      } else if constexpr (std::is_same_v<Source, Number>) {
        product.rows = problem.source + (first + block.pixel) * gather.source_pitch + group * gather.channels;
        product.rows_pitch = gather.source_pitch;
        product.rows_step = kDepthOf<Number>;
        product.rows_half = kTileRows * gather.source_pitch;
      }
      const Sum* starts = problem.starts == nullptr ? nullptr : problem.starts + column * kBlock;
      Sum* const sums = scratch.sums + i % 2 * kBlock * kBlock;
      (channels > kTileRows ? multiply_block<2, Number, Sum> : multiply_block<1, Number, Sum>)(product, starts, sums);
      if (i > 0) finish_block(scratch.blocks[i - 1], scratch.sums + (i - 1) % 2 * kBlock * kBlock);
    }
    finish_block(scratch.blocks[blocks - 1], scratch.sums + (blocks - 1) % 2 * kBlock * kBlock);
  }
}

// All of it, cut so.
template <class Source, class Number, class Sum, class Finish>
void multiply_tiles(const TileProblem<Source, Number, Sum>& problem, const TileCut& cut, const TileWorkspace& layout,
                    std::byte* workspace, const Finish& finish) {
  const Gather& gather = problem.gather;
  const int64_t height = cut.height, parts = cut.parts;
  const int64_t pixels = gather.pixels(), tiles = ceil_div(pixels, height);
  const int64_t columns = gather.groups * panel_pairs(gather);
  const size_t stride = align(TileScratch<Source, Number, Sum>::bytes(gather, height));
  parallel_for(tiles * parts, [&](int64_t index, int worker) {
    const int64_t tile = index / parts, part = index % parts;
    const TileScope scope;
    TileScratch<Source, Number, Sum> scratch(gather, height,
                                             workspace + layout.workers + stride * static_cast<size_t>(worker));
    run_tile(problem, tile * height, smaller(height, pixels - tile * height), columns * part / parts,
             columns * (part + 1) / parts, scratch, finish);
    stream_end();
  });
}

}  // namespace convoy::kernels::CONVOY_ISA
