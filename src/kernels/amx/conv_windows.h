// A convolution's kernel rows as taps: the values that a kernel row meets for a pixel lie side by side in a row of the
// source, a window, and those of neighbouring pixels overlap. So the rows of a tile of pixels are read from copies of
// the source's rows, which hold every value once for all taps that meet it, where a row a pixel would hold it once a
// tap.
#pragma once

#include "kernels/amx/tile.h"
#include "kernels/isa/conv_gather.h"

namespace convoy::kernels::CONVOY_ISA {

// Pixels and outputs of the sums in the tile registers.
inline constexpr int64_t kBlock = 2 * kTileRows;
static_assert(kTilePixels % kBlock == 0);

// Where windows lie: in copies of the source's rows, with what is outside of the image on both sides, that follow each
// other. Where windows are a pixel apart in both directions, those of one row of results go on in the next one's, a
// few windows of no use later, and so may the pixels of a block; what is outside on the right is the next row's left.
struct WindowLayout {
  int64_t pitch, length, row;  // elements from a window to the next one, of a copied row, and from it to the next one
  int64_t first_tap, span;     // of a pixel's rows the first one, from its own, and how many there are to the last one
  bool runs_on;
  int64_t gap;  // windows of no use between rows

  explicit WindowLayout(const Gather& gather)
      : pitch(gather.x.source_step * gather.source_pitch),
        length((gather.x.count - 1) * pitch + gather.channels),
        row(length),
        first_tap(smaller(gather.y.offset_first, gather.y.offset_first + last_offset(gather))),
        span(larger(last_offset(gather), -last_offset(gather)) + 1),
        runs_on(gather.x.source_step == 1 && gather.y.source_step == 1),
        gap(gather.window_pixels - 1) {
    const int64_t left = -gather.x.offset_first;
    const int64_t right = gather.x.count + gather.window_pixels - 1 - left - gather.x.source_extent;
    if (!runs_on || right <= 0 || right > left || right > gap) return;
    row -= right * pitch;
    gap -= right;
  }

  // The copied row that a tap reads, from the first one of a pixel.
  int64_t tap_row(const Gather& gather, int64_t tap) const {
    return gather.y.offset_first + tap * gather.y.offset_step - first_tap;
  }
  // Elements of the copies that `pixels` of the result need, in any place, and what a block reads behind them.
  int64_t elements(const Gather& gather, int64_t pixels) const {
    const int64_t rows = (pixels - 1) / gather.x.count + 2, images = (rows - 1) / gather.y.count + 2;
    return ((rows - 1) * gather.y.source_step + images * span) * row + slack(gather);
  }
  int64_t slack(const Gather& gather) const { return length - row + kBlock * pitch + gather.channels + 64; }

 private:
  static int64_t last_offset(const Gather& gather) { return (gather.y.taps - 1) * gather.y.offset_step; }
};

// Pixels of a tile that are multiplied together; in windows from element `at` of the copies and column `x` on.
struct TileBlock {
  int64_t pixel, count;
  int64_t at, x;
};

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

// The first pixels of those that have statistics in common, which come in one run if they are in one row.
inline constexpr int64_t kFirstPixels = 8;

// How many of `run` pixels from `pixel` on a block has room for, of which `room` are left: with statistics it ends
// before first pixels that it would part, so that where tiles are cut makes no difference to them.
inline int64_t pixels_of_block(int64_t run, int64_t room, int64_t pixel, bool statistics) {
  const int64_t taken = smaller(run, room), before = (kTilePixels - pixel % kTilePixels) % kTilePixels;
  const bool parts = before < taken && room - before < smaller(kFirstPixels, run - before);
  return statistics && parts ? before : taken;
}

// Copies the source's rows that a tile's windows lie in, image by image, and makes the tile's blocks; their number.
template <class Source, class Number>
int64_t pack_windows(const Gather& gather, const Source* source, const Source* padding, int64_t first, int64_t count,
                     bool statistics, Number* packed, TileBlock* blocks) {
  const WindowLayout layout(gather);
  const int64_t width = gather.x.count, height = gather.y.count, step = gather.y.source_step;
  const int64_t source_row = gather.x.source_extent * gather.source_pitch;
  int64_t made = 0, copied = 0;
  for (int64_t pixel = 0, pixels = 0; pixel < count; pixel += pixels) {
    const int64_t from = first + pixel, image = from / (width * height), y = from / width % height;
    int64_t x = from % width, row = 0;
    pixels = smaller(count - pixel, (height - y) * width - x);
    const int64_t rows = (x + pixels - 1) / width * step + layout.span;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t at = y * step + layout.first_tap + i;
      const bool inside = at >= 0 && at < gather.y.source_extent;
      copy_row(gather, inside ? source + (image * gather.y.source_extent + at) * source_row : nullptr, padding,
               layout.length, packed + (copied + i) * layout.row);
    }
    for (int64_t done = 0; done < pixels;) {
      TileBlock& block = blocks[made++] = {pixel + done, 0, (copied + row * step) * layout.row + x * layout.pitch, x};
      for (int64_t place = 0; place < kBlock && done < pixels;) {
        const int64_t left = smaller(width - x, pixels - done);
        const int64_t run = pixels_of_block(left, kBlock - place, from + done, statistics);
        block.count += run;
        done += run;
        x += run;
        if (x < width) break;
        x = 0;
        ++row;
        if (!layout.runs_on) break;
        place += run + layout.gap;
      }
    }
    copied += rows;
  }
  // What products read behind the last row meets weights of zero, and results of no use.
  const int64_t behind = copied * layout.row + layout.length - layout.row;
  for (int64_t i = 0; i < layout.slack(gather) - (layout.length - layout.row); i += kDepthOf<Number>) {
    _mm512_storeu_si512(packed + behind + i, _mm512_setzero_si512());
  }
  return made;
}

// The order of a tile's steps: of a kernel row a few channels of all its pixels after a few others, so that what
// neighbouring pixels have in common is still in the first cache.
template <class Number>
void order_steps(const Gather& gather, TileStep* order) {
  constexpr int64_t kDepth = kDepthOf<Number>, kNear = 4;
  const WindowLayout layout(gather);
  const int64_t tap_steps = ceil_div(gather.channels, kDepth);
  const bool by_pixel = gather.source_pitch % kDepth == 0;
  const int64_t pixel_steps = by_pixel ? gather.source_pitch / kDepth : tap_steps;
  for (int64_t tap = 0; tap < gather.taps(); ++tap) {
    for (int64_t near = 0; near < pixel_steps; near += kNear) {
      for (int64_t pixel = 0; pixel < tap_steps; pixel += pixel_steps) {
        for (int64_t step = pixel + near; step < pixel + smaller(near + kNear, pixel_steps); ++step) {
          *order++ = {layout.tap_row(gather, tap) * layout.row + step * kDepth,
                      (tap * tap_steps + step) * kElementsOf<Number>};
        }
      }
    }
  }
}

// Calls take(place, pixel, count) for each run of a block's pixels, whose sums follow each other from `place` on, those
// of rows of windows `gap` apart; with statistics none goes across a multiple of kTilePixels.
template <class Take>
void each_run(const Gather& gather, const TileBlock& block, int64_t gap, bool statistics, const Take& take) {
  int64_t x = block.x, place = 0;
  for (int64_t done = 0, run = 0; done < block.count; done += run) {
    run = block.count - done;
    if (gather.windows) run = smaller(run, gather.x.count - x);
    if (statistics) run = smaller(run, kTilePixels - (block.pixel + done) % kTilePixels);
    take(place, block.pixel + done, run);
    place += run;
    x += run;
    if (gather.windows && x == gather.x.count) {
      place += gap;
      x = 0;
    }
  }
}

}  // namespace convoy::kernels::CONVOY_ISA
