// Convolution of bytes as a GEMM of pairs of 16-bit numbers: an instruction multiplies two numbers of a pixel by two
// weights of each of a register's channels and adds the products, exactly. A tile of pixels is widened first, less the
// zero point, so that padding is zeros; weights are packed in panels.
#include "kernels/quantized_conv.h"

#include "core/parallel.h"
#include "kernels/isa/conv_microkernel.h"
#include "kernels/isa/integers.h"
#include "kernels/isa/quantized_epilogue.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Pixels that are worked on with so many vectors of channels: sums leave registers for the products, which an
// instruction of its own adds.
template <int kVectors>
constexpr int kRows = kRegisters == 32 ? (kVectors == 4   ? 4
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

struct Layout {
  int64_t depth;  // products of a sum
  int64_t pairs;  // of them
  int64_t pitch;  // of the pixels of a tile; apart by an odd number of cache lines, which then share no cache sets
  int64_t tile;   // pixels
  Panels panels;  // of a group
  size_t weight_bytes, tile_bytes;

  explicit Layout(const ConvGeometry& g) : panels{g.out_c / g.groups} {
    depth = g.kernel_h * g.kernel_w * (g.in_c / g.groups);
    pairs = ceil_div(depth, 2);
    pitch = (ceil_div(pairs, 16) | 1) * 32;
    const int64_t pixels = g.batch * g.out_h * g.out_w;
    const int64_t most = smaller(kMostTile, ceil_div(pixels, kLeastTile) * kLeastTile);
    tile = smaller(most, larger(kTileBytes / (2 * pitch * kLeastTile), int64_t{1}) * kLeastTile);
    weight_bytes = static_cast<size_t>(g.groups * panels.vectors() * kLanes * pairs * 2) * sizeof(int16_t);
    tile_bytes = static_cast<size_t>(tile * pitch) * sizeof(int16_t);
  }
};

// Weights of a group in the order of the microkernel: [panel][pair][panel's lanes][2], zeros where there are none.
void pack_weights(const ConvGeometry& g, const Layout& layout, const int8_t* weight, int16_t* packed) {
  const Panels& panels = layout.panels;
  parallel_for(g.groups * panels.count(), [&](int64_t task, int) {
    const int64_t group = task / panels.count(), panel = task % panels.count();
    const int64_t lanes = panels.width(panel) * kLanes, first = panels.first_vector(panel) * kLanes;
    const int64_t channels = smaller(lanes, panels.channels - first);
    const int8_t* from = weight + group * panels.channels + first;
    int16_t* to = packed + (group * panels.vectors() * kLanes + first) * layout.pairs * 2;
    for (int64_t pair = 0; pair < layout.pairs; ++pair, from += 2 * g.out_c, to += 2 * lanes) {
      const bool whole = 2 * pair + 1 < layout.depth;
      for (int64_t c = 0; c < lanes; ++c) {
        to[2 * c] = c < channels ? from[c] : int16_t{0};
        to[2 * c + 1] = whole && c < channels ? from[g.out_c + c] : int16_t{0};
      }
    }
  });
}

// Appends numbers to a pixel of a tile.
struct Pixel {
  int16_t* end;

  void add(const uint8_t* bytes, int64_t count, int zero_point) {
    for (int64_t i = 0; i < count; ++i) end[i] = static_cast<int16_t>(bytes[i] - zero_point);
    end += count;
  }
  void add_zeros(int64_t count) {
    for (int64_t i = 0; i < count; ++i) end[i] = 0;
    end += count;
  }
};

// The inputs of a group of output pixel `index`, in the order of the weights.
void widen_pixel(const ConvGeometry& g, const Layout& layout, const uint8_t* input, int zero_point, int64_t group,
                 int64_t index, int16_t* into) {
  const int64_t channels = g.in_c / g.groups;
  const int64_t left = index % g.out_w * g.stride_w - g.pad_w;
  const int64_t top = index / g.out_w % g.out_h * g.stride_h - g.pad_h;
  const uint8_t* image = input + index / (g.out_w * g.out_h) * g.in_h * g.in_w * g.in_c + group * channels;
  Pixel pixel{into};
  for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
    const int64_t y = top + ky * g.dilation_h;
    if (y < 0 || y >= g.in_h) {
      pixel.add_zeros(g.kernel_w * channels);
      continue;
    }
    const uint8_t* row = image + y * g.in_w * g.in_c;
    if (g.dilation_w == 1 && g.groups == 1) {  // a row of the kernel lies together
      const int64_t before = smaller(larger(-left, int64_t{0}), g.kernel_w);
      const int64_t behind = smaller(larger(left + g.kernel_w - g.in_w, int64_t{0}), g.kernel_w - before);
      pixel.add_zeros(before * channels);
      pixel.add(row + (left + before) * channels, (g.kernel_w - before - behind) * channels, zero_point);
      pixel.add_zeros(behind * channels);
      continue;
    }
    for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
      const int64_t x = left + kx * g.dilation_w;
      if (x < 0 || x >= g.in_w) {
        pixel.add_zeros(channels);
      } else {
        pixel.add(row + x * g.in_c, channels, zero_point);
      }
    }
  }
  pixel.add_zeros(2 * layout.pairs - layout.depth);
}

// The sums of kPixels pixels, `pitch` numbers apart, by kVectors vectors of channels: sums[row][channel].
template <int kPixels, int kVectors>
inline void multiply_rows(const int16_t* pixels, int64_t pitch, const int16_t* weight, int64_t pairs, int32_t* sums) {
  IntVec sum[kPixels][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kPixels; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = zero_ints();
  }
#pragma GCC unroll 2
  for (int64_t pair = 0; pair < pairs; ++pair, pixels += 2, weight += 2 * kVectors * kLanes) {
    IntVec w[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) w[v] = load_pairs(weight + 2 * v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kPixels; ++r) {
      const IntVec x = broadcast_pair(pixels + r * pitch);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = sum[r][v] + multiply_pairs(x, w[v]);
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
  const int16_t* pixels;
  int64_t first, count;
  const int16_t* weight = nullptr;
  int64_t channel = 0, channels = 0;
};

template <int kVectors>
inline void multiply_tile(const Layout& layout, const QuantizedEpilogue& epilogue, const PanelTile& tile) {
  constexpr int kPixels = kRows<kVectors>;
  alignas(64) int32_t sums[kPixels * kVectors * kLanes];
  for (int64_t row = 0; row < tile.count; row += kPixels) {
    multiply_rows<kPixels, kVectors>(tile.pixels + row * layout.pitch, layout.pitch, tile.weight, layout.pairs, sums);
    epilogue.finish({.sums = sums,
                     .pitch = kVectors * kLanes,
                     .first = tile.first + row,
                     .count = smaller<int64_t>(kPixels, tile.count - row),
                     .channel = tile.channel,
                     .channels = tile.channels});
  }
}

// Of the tile's pixels with the panel `column`, counted through all groups.
void run_panel(const Layout& layout, const QuantizedEpilogue& epilogue, int64_t column, const int16_t* packed,
               PanelTile tile) {
  const Panels& panels = layout.panels;
  const int64_t group = column / panels.count(), panel = column % panels.count();
  const int64_t first = panels.first_vector(panel) * kLanes;
  const int width = panels.width(panel);
  tile.weight = packed + (group * panels.vectors() * kLanes + first) * layout.pairs * 2;
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
  const auto* packed = static_cast<const int16_t*>(args.prepared_weight);
  if (packed == nullptr) {
    auto* own = reinterpret_cast<int16_t*>(workspace);
    pack_weights(g, layout, args.weight, own);
    packed = own;
  }
  const int64_t pixels = g.batch * g.out_h * g.out_w, tiles = ceil_div(pixels, layout.tile);
  const int64_t columns = g.groups * layout.panels.count();
  const int64_t tile_work = layout.tile * layout.depth * g.out_c;
  const int64_t splits = smaller(ceil_div(kTasks, tiles), smaller(columns, ceil_div(tile_work, kTaskWork)));
  const QuantizedEpilogue epilogue(args, g.out_c);
  parallel_for(tiles * splits, [&](int64_t task, int worker) {
    const int64_t split = task % splits, first = task / splits * layout.tile;
    const int64_t count = smaller(layout.tile, pixels - first);
    auto* numbers = reinterpret_cast<int16_t*>(workspace + align(layout.weight_bytes) +
                                               static_cast<size_t>(worker) * align(layout.tile_bytes));
    int64_t group = -1;
    for (int64_t column = columns * split / splits; column < columns * (split + 1) / splits; ++column) {
      if (const int64_t next = column / layout.panels.count(); next != group) {
        group = next;
        for (int64_t i = 0; i < count; ++i) {
          widen_pixel(g, layout, args.input, args.in.zero_point, group, first + i, numbers + i * layout.pitch);
        }
        // What the microkernels read behind the last pixel.
        for (int64_t i = count; i < smaller(layout.tile, count + kRows<1> - 1); ++i) {
          Pixel{numbers + i * layout.pitch}.add_zeros(2 * layout.pairs);
        }
      }
      run_panel(layout, epilogue, column, packed, {.pixels = numbers, .first = first, .count = count});
    }
  });
}

size_t quantized_conv_workspace(const ConvGeometry& g) {
  const Layout layout(g);
  return align(layout.weight_bytes) + align(layout.tile_bytes) * static_cast<size_t>(thread_count());
}

size_t quantized_conv_prepared_bytes(const ConvGeometry& g) { return Layout(g).weight_bytes; }

void quantized_conv_prepare(const ConvGeometry& g, const int8_t* weight, void* into) {
  pack_weights(g, Layout(g), weight, static_cast<int16_t*>(into));
}

}  // namespace

const QuantizedConvKernels& quantized_conv_kernels() {
  static constexpr QuantizedConvKernels kKernels{quantized_conv_forward, quantized_conv_workspace,
                                                 quantized_conv_prepared_bytes, quantized_conv_prepare};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
