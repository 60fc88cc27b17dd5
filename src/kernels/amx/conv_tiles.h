// What convolutions on matrix tiles have in common, of brain floats and of bytes: for each tile of pixels the values of
// all taps are packed, a row a pixel, as the table of addresses (isa/conv_gather.h) finds them, and multiplied by the
// packed weights of two panels of 16 outputs at a time, 32 pixels by 32 outputs in the tile registers. A 1x1 layer's
// rows are read where they are. With few channels a tap is a kernel row (Gather::windows), and the rows of a tile are
// windows that overlap in copies of the source's rows.
//
// Source is the type of the maps, Number that of what is multiplied.
#pragma once

#include <type_traits>

#include "core/parallel.h"
#include "kernels/amx/tile.h"
#include "kernels/isa/conv_gather.h"
#include "kernels/isa/conv_microkernel.h"

namespace convoy::kernels::CONVOY_ISA {

// Pixels and outputs of the sums in the tile registers.
inline constexpr int64_t kBlock = 2 * kTileRows;
static_assert(kTilePixels % kBlock == 0);
// Bytes of packed pixels that leave room for the weights of two panels in the second cache.
inline constexpr int64_t kPackedBytes = 640 << 10;
inline constexpr int64_t kTablePixels = 4 * kTilePixels;
template <class Source>
using TileTable = GatherTable<kTablePixels, Source>;

// Whether every pixel of the result has one source pixel, its own.
inline bool is_pointwise(const Gather& gather) {
  return gather.taps() == 1 && gather.y.source_step == 1 && gather.x.source_step == 1 && gather.y.offset_first == 0 &&
         gather.x.offset_first == 0 && gather.y.count == gather.y.source_extent &&
         gather.x.count == gather.x.source_extent;
}

// Whether windows are read from copies of rows: what a step reads behind a window meets weights of zero.
template <class Number>
bool reads_windows(const Gather& gather) {
  return gather.windows && gather.channels <= kDepthOf<Number>;
}

// The reduction of a gather: the channels of tap after tap, up to whole steps; each window is a step.
template <class Number>
struct TileDepth {
  int64_t tap_values, values, steps;

  explicit TileDepth(const Gather& gather)
      : tap_values(reads_windows<Number>(gather) ? kDepthOf<Number> : gather.channels),
        values(gather.taps() * tap_values),
        steps(ceil_div(values, kDepthOf<Number>)) {}
};

// Whether the rows of a tile's pixels are read where they are, which they are evenly apart.
template <class Source, class Number>
bool reads_in_place(const Gather& gather) {
  return std::is_same_v<Source, Number> && is_pointwise(gather);
}

// Where packed pixels lie. Where taps are whole steps, tile after tile, which is how they are read; else a row a pixel,
// the channels of its taps one behind the other. Rows are an odd number of lines apart, or those of a tile would meet
// in few sets of the first cache. Of windows there are the source's rows, those of all taps of a row of results one
// behind the other, as long as the last tile reads.
template <class Number>
struct PixelLayout {
  bool tiled;
  int64_t pitch, step, half;  // as TileProduct's
  int64_t pixel_elements;

  explicit PixelLayout(const Gather& gather) : tiled(gather.channels % kDepthOf<Number> == 0) {
    if (reads_windows<Number>(gather)) {
      tiled = false;
      pitch = gather.x.source_step * gather.source_pitch;
      step = ceil_div((gather.x.count + kBlock) * pitch, kDepthOf<Number>) * kDepthOf<Number> + kDepthOf<Number>;
      half = kTileRows * pitch;
      pixel_elements = gather.taps() * pitch;
      return;
    }
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

// How a problem is cut into tasks: tiles of `height` pixels, and the panels into `parts`. Each task packs its pixels.
struct TileCut {
  int64_t height, parts;
};

// The cut that is expected to take the least time; results do not depend on it. With statistics tiles are kTilePixels.
template <class Number>
TileCut cut_of(const Gather& gather, bool statistics) {
  // Cycles, as measured: of a byte that is packed, of one of weights that are in the second cache or beyond it, of a
  // product of 32 x 32 sums, of what follows these, of a task.
  constexpr double kPacked = 0.12, kNear = 0.03, kFar = 0.15, kProduct = 100, kFinish = 700, kTask = 2000;
  constexpr int64_t kNearBytes = 1 << 20, kMostParts = 64;
  const int64_t columns = gather.groups * panel_pairs(gather), steps = TileDepth<Number>(gather).steps;
  const int64_t block_bytes = kBlock * PixelLayout<Number>(gather).pixel_elements * int64_t{sizeof(Number)};
  const int64_t pair_bytes = 2 * steps * kElementsOf<Number> * int64_t{sizeof(Number)};
  const double packing = !is_pointwise(gather) ? kPacked * static_cast<double>(block_bytes * gather.groups) : 0;
  const double weights = (columns * pair_bytes > kNearBytes ? kFar : kNear) * static_cast<double>(pair_bytes);
  const double sums = kProduct * static_cast<double>(steps) + kFinish;
  const int64_t blocks = ceil_div(gather.pixels(), kBlock);
  const int64_t fitting = larger<int64_t>(1, kPackedBytes / larger<int64_t>(1, block_bytes));
  const int64_t fewest = statistics ? kTilePixels / kBlock : 1;
  const int64_t most = statistics ? fewest : smaller(smaller(fitting, blocks), kTablePixels / kBlock);
  TileCut best{kBlock * fewest, 1};
  double least = __builtin_inf();
  for (int64_t height = fewest; height <= most; height += larger<int64_t>(1, height / 2)) {
    for (int64_t parts = 1; parts <= smaller(columns, kMostParts); parts += larger<int64_t>(1, parts / 2)) {
      const double panels = static_cast<double>(ceil_div(columns, parts)), tile = static_cast<double>(height);
      const double task = kTask + packing * tile / (parts < gather.groups ? static_cast<double>(parts) : 1.0) +
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

// A worker's memory: the table, packed pixels, and sums of a tile with one pair of panels.
template <class Source, class Number, class Sum>
struct TileScratch {
  TileTable<Source> table;
  Number* packed;
  Sum* sums;

  static size_t packed_bytes(const Gather& gather, int64_t pixels) {
    const PixelLayout<Number> layout(gather);
    const int64_t rows = pixels / gather.x.count + 2;  // of results, which pixels may lie in
    if (reads_in_place<Source, Number>(gather)) pixels = smaller(pixels, kMostTail);
    const int64_t elements =
        reads_windows<Number>(gather) ? rows * gather.taps() * layout.step : pixels * layout.pixel_elements;
    return align(static_cast<size_t>(elements + kDepthOf<Number>) * sizeof(Number));
  }
  static size_t bytes(const Gather& gather, int64_t pixels) {
    return align(TileTable<Source>::bytes(gather)) + packed_bytes(gather, pixels) +
           static_cast<size_t>((pixels + kBlock) * kBlock) * sizeof(Sum);
  }
  TileScratch(const Gather& gather, int64_t pixels, std::byte* memory)
      : table(gather, memory),
        packed(reinterpret_cast<Number*>(memory + align(TileTable<Source>::bytes(gather)))),
        sums(reinterpret_cast<Sum*>(reinterpret_cast<std::byte*>(packed) + packed_bytes(gather, pixels))) {}
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

// A row of a source from the first pixel of its first window on, which may lie outside of the image; padding behind it.
template <class Source, class Number>
void copy_row(const Gather& gather, const Source* row, const Source* padding, int64_t length, Number* to) {
  constexpr int64_t kDepth = kDepthOf<Number>;
  __m512i outside = _mm512_setzero_si512();
  if constexpr (sizeof(Number) == 1) outside = _mm512_set1_epi8(static_cast<char>(*padding));
  const int64_t begin = gather.x.offset_first * gather.source_pitch;
  const int64_t end = row == nullptr ? 0 : smaller(gather.x.source_extent * gather.source_pitch, begin + length);
  int64_t at = begin;
  for (; at < smaller<int64_t>(0, begin + length); at += kDepth) _mm512_storeu_si512(to + (at - begin), outside);
  for (at = larger<int64_t>(begin, 0); at < end; at += kDepth) {
    _mm512_storeu_si512(to + (at - begin), row_of(row + at, smaller(kDepth, end - at)));
  }
  for (at = larger(begin, smaller(at, end)); at < begin + length; at += kDepth) {
    _mm512_storeu_si512(to + (at - begin), outside);
  }
}

// The source's rows of all windows of the rows of results that a tile's pixels lie in.
template <class Source, class Number>
void pack_windows(const Gather& gather, const Source* source, const Source* padding, int64_t first, int64_t count,
                  Number* packed) {
  const int64_t length = PixelLayout<Number>(gather).step, row_elements = gather.x.source_extent * gather.source_pitch;
  for (int64_t row = first / gather.x.count; row <= (first + count - 1) / gather.x.count; ++row) {
    const int64_t image = row / gather.y.count, y = row % gather.y.count * gather.y.source_step;
    for (int64_t tap = 0; tap < gather.y.taps; ++tap, packed += length) {
      const int64_t from = y + gather.y.offset_first + tap * gather.y.offset_step;
      const bool inside = from >= 0 && from < gather.y.source_extent;
      copy_row(gather, inside ? source + (image * gather.y.source_extent + from) * row_elements : nullptr, padding,
               length, packed);
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
  bool whole_tiles = false;  // whether sums are taken by the tile, or by the block
};

// Sums of a tile with one pair of panels: `count` pixels from `first` on, kBlock sums apart, by `channels` outputs
// from `channel` on, whose results lie at destinations[pixel] + channel.
template <class Sum>
struct TileSums {
  Sum* sums;
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
  multiply<kPanels>(product);
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
  const int64_t pairs = panel_pairs(gather), width = gather.x.count;
  const bool windows = reads_windows<Number>(gather), in_place = reads_in_place<Source, Number>(gather);
  const int64_t packed_from = in_place ? pixels_in_place<Number>(gather, first, count) : 0;
  if (windows) pack_windows(gather, problem.source, problem.padding, first, count, scratch.packed);
  if (in_place && gather.y.result_step == 1 && gather.x.result_step == 1) {
    for (int64_t i = 0; i < count; ++i) scratch.table.destinations[i] = (first + i) * gather.result_pitch();
  } else if (in_place || windows) {
    scratch.table.locate(gather, first, count);
  } else {
    scratch.table.fill(gather, problem.source, problem.padding, first, count);
  }
  const auto pack = [&](int64_t group) {
    if (windows || packed_from == count) return;
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
    TileSums<Sum> last{scratch.sums,
                       scratch.table.destinations,
                       first,
                       problem.whole_tiles ? count : 0,
                       group * gather.outputs + pair * kBlock,
                       smaller(kBlock, gather.outputs - pair * kBlock)};
    int64_t covered = 0;
    for (int64_t pixel = 0; pixel < count; pixel += covered) {
      covered = smaller(kBlock, count - pixel);
      TileProduct<Number> product{
          nullptr, layout.pitch, layout.step, layout.half, columns, depth.steps * kElementsOf<Number>, depth.steps};
      if (windows) {
        // Blocks begin anew in each row of results; what one computes beyond it is of no use.
        const int64_t row = (first + pixel) / width - first / width, x = (first + pixel) % width;
        product.rows = scratch.packed + row * gather.taps() * layout.step + x * layout.pitch;
        covered = smaller(covered, width - x);
      } else if (pixel >= packed_from) {
        product.rows = scratch.packed + (pixel - packed_from) / kTileRows * layout.half;
      } else if constexpr (std::is_same_v<Source, Number>) {
        product.rows = problem.source + (first + pixel) * gather.source_pitch + group * gather.channels;
        product.rows_pitch = gather.source_pitch;
        product.rows_step = kDepthOf<Number>;
        product.rows_half = kTileRows * gather.source_pitch;
      }
      const Sum* starts = problem.starts == nullptr ? nullptr : problem.starts + column * kBlock;
      Sum* sums = last.sums == scratch.sums ? scratch.sums + kBlock * kBlock : scratch.sums;
      if (problem.whole_tiles) sums = scratch.sums + pixel * kBlock;
      (last.channels > kTileRows ? multiply_block<2, Number, Sum> : multiply_block<1, Number, Sum>)(product, starts,
                                                                                                    sums);
      if (problem.whole_tiles) continue;
      if (last.count > 0) finish(last);
      last.sums = sums;
      last.destinations = scratch.table.destinations + pixel;
      last.first = first + pixel;
      last.count = covered;
    }
    finish(last);
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
  });
}

}  // namespace convoy::kernels::CONVOY_ISA
