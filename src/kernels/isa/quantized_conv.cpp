// Convolution of bytes as a GEMM of small integers: an instruction multiplies two or four (kProducts) bytes of a pixel
// by weights of each of a register's channels and adds the products, exactly. The bytes of a tile of up to 96 pixels
// are gathered first, a row a pixel, padding being the zero point; of a 1x1 layer fours are read where they are.
// Weights are packed in panels of up to four vectors of channels, which a few pixels at a time are multiplied by in
// registers. Sums begin with what the zero point's products add up to, negated, and no partial sum exceeds what whole
// ones are bounded by.
//
// Bound: the two ports that multiply, from a few hundred products to a sum on; of fewer, what follows the sums.
#include "kernels/quantized_conv.h"

#include "core/parallel.h"
#include "kernels/isa/conv_microkernel.h"
#include "kernels/isa/integers.h"
#include "kernels/isa/quantized_epilogue.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Pixels that are worked on with so many vectors of channels: sums of pairs leave registers for the products, which an
// instruction of its own adds.
template <int kVectors>
constexpr int kRows = kProducts == 4     ? kPixelRows<kVectors>
                      : kRegisters == 32 ? (kVectors == 4   ? 4
                                            : kVectors == 3 ? 6
                                            : kVectors == 2 ? 8
                                                            : 12)
                                         : (kVectors == 2 ? 4 : 8);
// Pixels of a tile: a multiple of those, as many as stay in the L2 cache.
constexpr int64_t kLeastTile = 24, kMostTile = 96;
constexpr int64_t kTileBytes = 192 << 10;
// Multiplications that a task should have at least, and tasks that a problem should have.
constexpr int64_t kTaskWork = int64_t{1} << 21;
constexpr int64_t kTasks = 64;

// What is made of the weights: the sums of every channel's, in panels, and the packed weights. Workspace: that, what
// sums begin with, a tile of pixels for each worker.
struct Layout {
  int64_t depth;  // products of a sum
  int64_t steps;  // kProducts of them
  int64_t pitch;  // of the pixels of a tile; apart by an odd number of cache lines, which then share no cache sets
  int64_t tile;   // pixels
  Panels panels;  // of a group
  int64_t lanes;  // of the panels of all groups
  size_t total_bytes, weight_bytes, tile_bytes;

  explicit Layout(const ConvGeometry& g) : panels{g.out_c / g.groups} {
    depth = g.kernel_h * g.kernel_w * (g.in_c / g.groups);
    steps = ceil_div(depth, kProducts);
    pitch = (ceil_div(steps, 16) | 1) * 16 * kProducts;
    const int64_t pixels = g.batch * g.out_h * g.out_w;
    const int64_t most = smaller(kMostTile, ceil_div(pixels, kLeastTile) * kLeastTile);
    const int64_t row_bytes = pitch * int64_t{sizeof(ByteFactor)};
    tile = smaller(most, larger(kTileBytes / (row_bytes * kLeastTile), int64_t{1}) * kLeastTile);
    lanes = g.groups * panels.vectors() * kLanes;
    total_bytes = align(static_cast<size_t>(lanes) * sizeof(int32_t));
    weight_bytes = total_bytes + align(static_cast<size_t>(lanes * steps * kProducts) * sizeof(WeightFactor));
    tile_bytes = align(static_cast<size_t>(tile * row_bytes));
  }

  size_t workspace_bytes() const {
    return weight_bytes + total_bytes + tile_bytes * static_cast<size_t>(thread_count());
  }
};

// Weights of a group in the order of the microkernel: [panel][step][panel's lanes][kProducts], zeros where there are
// none.
void pack_weights(const ConvGeometry& g, const Layout& layout, const int8_t* weight, std::byte* into) {
  const Panels& panels = layout.panels;
  auto* totals = reinterpret_cast<int32_t*>(into);
  auto* packed = reinterpret_cast<WeightFactor*>(into + layout.total_bytes);
  parallel_for(g.groups * panels.count(), [&](int64_t task, int) {
    const int64_t group = task / panels.count(), panel = task % panels.count();
    const int64_t lanes = panels.width(panel) * kLanes, first = panels.first_vector(panel) * kLanes;
    const int64_t channels = smaller(lanes, panels.channels - first);
    const int8_t* from = weight + group * panels.channels + first;
    const int64_t lane = group * panels.vectors() * kLanes + first;
    int32_t* sums = totals + lane;
    WeightFactor* to = packed + lane * layout.steps * kProducts;
    for (int64_t c = 0; c < lanes; ++c) sums[c] = 0;
    for (int64_t k = 0; k < layout.steps * kProducts; ++k, from += g.out_c) {
      WeightFactor* step = to + k / kProducts * lanes * kProducts + k % kProducts;
      for (int64_t c = 0; c < lanes; ++c) {
        const bool is_there = k < layout.depth && c < channels;
        step[c * kProducts] = is_there ? from[c] : int8_t{0};
        sums[c] += step[c * kProducts];
      }
    }
  });
}

// Appends bytes to a pixel of a tile.
struct Pixel {
  ByteFactor* end;

  void add(const uint8_t* bytes, int64_t count) {
    copy_factors(bytes, count, end);
    end += count;
  }
  void add(uint8_t byte, int64_t count) {
    for (int64_t i = 0; i < count; ++i) end[i] = byte;
    end += count;
  }
};

// What an output pixel sees of an image, whose first channel of a group is `image`, from its row `top` and column
// `left` on, in the order of the weights.
void gather_pixel(const ConvGeometry& g, const uint8_t* image, int64_t top, int64_t left, uint8_t zero_point,
                  ByteFactor* into) {
  const int64_t channels = g.in_c / g.groups;
  Pixel pixel{into};
  for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
    const int64_t y = top + ky * g.dilation_h;
    if (y < 0 || y >= g.in_h) {
      pixel.add(zero_point, g.kernel_w * channels);
      continue;
    }
    const uint8_t* row = image + y * g.in_w * g.in_c;
    if (g.dilation_w == 1 && g.groups == 1) {  // a row of the kernel lies together
      const int64_t before = smaller(larger(-left, int64_t{0}), g.kernel_w);
      const int64_t behind = smaller(larger(left + g.kernel_w - g.in_w, int64_t{0}), g.kernel_w - before);
      pixel.add(zero_point, before * channels);
      pixel.add(row + (left + before) * channels, (g.kernel_w - before - behind) * channels);
      pixel.add(zero_point, behind * channels);
      continue;
    }
    for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
      const int64_t x = left + kx * g.dilation_w;
      if (x < 0 || x >= g.in_w) {
        pixel.add(zero_point, channels);
      } else {
        pixel.add(row + x * g.in_c, channels);
      }
    }
  }
}

// The inputs of a group of `count` output pixels from `first` on. Whatever lies behind a pixel's meets weights of zero.
void gather_tile(const ConvGeometry& g, const Layout& layout, const uint8_t* input, uint8_t zero_point, int64_t group,
                 int64_t first, int64_t count, ByteFactor* into) {
  int64_t x = first % g.out_w, y = first / g.out_w % g.out_h;
  const uint8_t* image = input + first / (g.out_w * g.out_h) * g.in_h * g.in_w * g.in_c + group * (g.in_c / g.groups);
  for (int64_t i = 0; i < count; ++i, into += layout.pitch) {
    gather_pixel(g, image, y * g.stride_h - g.pad_h, x * g.stride_w - g.pad_w, zero_point, into);
    if (++x < g.out_w) continue;
    x = 0;
    if (++y < g.out_h) continue;
    y = 0;
    image += g.in_h * g.in_w * g.in_c;
  }
}

// Whether a tile's pixels are multiplied where they are: they lie one behind the other, bytes as they are, and what
// microkernels read belongs to them.
bool reads_in_place(const ConvGeometry& g, int64_t count) {
  const bool pointwise = g.kernel_h * g.kernel_w * g.stride_h * g.stride_w == 1 && g.pad_h == 0 && g.pad_w == 0;
  return sizeof(ByteFactor) == 1 && pointwise && g.in_c / g.groups % kProducts == 0 && count % kLeastTile == 0;
}

// The sums of kPixels pixels, `pitch` numbers apart, by kVectors vectors of channels: sums[row][channel].
template <int kPixels, int kVectors>
inline void multiply_rows(const ByteFactor* pixels, int64_t pitch, const WeightFactor* weight, int64_t steps,
                          const int32_t* starts, int32_t* sums) {
  IntVec sum[kPixels][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kPixels; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = load(starts + v * kLanes);
  }
#pragma GCC unroll 2
  for (int64_t step = 0; step < steps; ++step, pixels += kProducts, weight += kProducts * kVectors * kLanes) {
    IntVec w[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) w[v] = load_bits(weight + kProducts * v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kPixels; ++r) {
      const IntVec x = broadcast_bits(pixels + r * pitch);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = add_products(sum[r][v], x, w[v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kPixels; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(sums + (r * kVectors + v) * kLanes, sum[r][v]);
  }
}

// A panel of a group, and the tile of `count` pixels from `first` on.
struct PanelTile {
  const ByteFactor* pixels;
  int64_t pitch;
  int64_t first, count;
  const WeightFactor* weight = nullptr;
  const int32_t* starts = nullptr;
  int64_t channel = 0, channels = 0;
};

template <int kVectors>
inline void multiply_tile(const Layout& layout, const QuantizedEpilogue& epilogue, const PanelTile& tile) {
  constexpr int kPixels = kRows<kVectors>;
  alignas(64) int32_t sums[kPixels * kVectors * kLanes];
  for (int64_t row = 0; row < tile.count; row += kPixels) {
    multiply_rows<kPixels, kVectors>(tile.pixels + row * tile.pitch, tile.pitch, tile.weight, layout.steps, tile.starts,
                                     sums);
    epilogue.finish({.sums = sums,
                     .pitch = kVectors * kLanes,
                     .first = tile.first + row,
                     .count = smaller<int64_t>(kPixels, tile.count - row),
                     .channel = tile.channel,
                     .channels = tile.channels});
  }
}

// Of the tile's pixels with the panel `column`, counted through all groups.
void run_panel(const Layout& layout, const QuantizedEpilogue& epilogue, int64_t column, const WeightFactor* packed,
               const int32_t* starts, PanelTile tile) {
  const Panels& panels = layout.panels;
  const int64_t group = column / panels.count(), panel = column % panels.count();
  const int64_t first = panels.first_vector(panel) * kLanes;
  const int width = panels.width(panel);
  const int64_t lane = group * panels.vectors() * kLanes + first;
  tile.weight = packed + lane * layout.steps * kProducts;
  tile.starts = starts + lane;
  tile.channel = group * panels.channels + first;
  tile.channels = smaller<int64_t>(width * kLanes, panels.channels - first);
  if constexpr (kPanelVectors == 4) {
    if (width == 4) return multiply_tile<4>(layout, epilogue, tile);
    if (width == 3) return multiply_tile<3>(layout, epilogue, tile);
  }
  if (width == 2) return multiply_tile<2>(layout, epilogue, tile);
  multiply_tile<1>(layout, epilogue, tile);
}

// A task is a tile with a run of panels, of one group after the other.
void quantized_conv_forward(const ConvGeometry& g, const QuantizedConvArgs& args) {
  const Layout layout(g);
  auto* workspace = static_cast<std::byte*>(args.workspace);
  const auto* prepared = static_cast<const std::byte*>(args.prepared_weight);
  if (prepared == nullptr) {
    pack_weights(g, layout, args.weight, workspace);
    prepared = workspace;
  }
  const auto* totals = reinterpret_cast<const int32_t*>(prepared);
  const auto* packed = reinterpret_cast<const WeightFactor*>(prepared + layout.total_bytes);
  auto* starts = reinterpret_cast<int32_t*>(workspace + layout.weight_bytes);
  for (int64_t lane = 0; lane < layout.lanes; ++lane) starts[lane] = -args.in.zero_point * totals[lane];
  const auto zero_point = static_cast<uint8_t>(args.in.zero_point);
  const int64_t pixels = g.batch * g.out_h * g.out_w, tiles = ceil_div(pixels, layout.tile);
  const int64_t columns = g.groups * layout.panels.count();
  const int64_t tile_work = layout.tile * layout.depth * g.out_c;
  const int64_t splits = smaller(ceil_div(kTasks, tiles), smaller(columns, ceil_div(tile_work, kTaskWork)));
  const QuantizedEpilogue epilogue(args, g.out_c);
  parallel_for(tiles * splits, [&](int64_t task, int worker) {
    const int64_t split = task % splits, first = task / splits * layout.tile;
    const int64_t count = smaller(layout.tile, pixels - first);
    auto* gathered = reinterpret_cast<ByteFactor*>(workspace + layout.weight_bytes + layout.total_bytes +
                                                   static_cast<size_t>(worker) * layout.tile_bytes);
    PanelTile tile{.pixels = gathered, .pitch = layout.pitch, .first = first, .count = count};
    const bool in_place = reads_in_place(g, count);
    int64_t group = -1;
    for (int64_t column = columns * split / splits; column < columns * (split + 1) / splits; ++column) {
      if (const int64_t next = column / layout.panels.count(); next != group) {
        group = next;
        if (in_place) {
          tile.pixels = reinterpret_cast<const ByteFactor*>(args.input + first * g.in_c + group * (g.in_c / g.groups));
          tile.pitch = g.in_c;
        } else {
          gather_tile(g, layout, args.input, zero_point, group, first, count, gathered);
        }
      }
      run_panel(layout, epilogue, column, packed, starts, tile);
    }
  });
}

size_t quantized_conv_workspace(const ConvGeometry& g) { return Layout(g).workspace_bytes(); }

size_t quantized_conv_prepared_bytes(const ConvGeometry& g) { return Layout(g).weight_bytes; }

void quantized_conv_prepare(const ConvGeometry& g, const int8_t* weight, void* into) {
  pack_weights(g, Layout(g), weight, static_cast<std::byte*>(into));
}

}  // namespace

const QuantizedConvKernels& quantized_conv_kernels() {
  static constexpr QuantizedConvKernels kKernels{quantized_conv_forward, quantized_conv_workspace,
                                                 quantized_conv_prepared_bytes, quantized_conv_prepare};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
