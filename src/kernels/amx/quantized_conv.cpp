// Convolution of bytes on matrix tiles (conv_tiles.h). A product takes four bytes of a pixel by four weights, exactly,
// in 32 bits. Taps outside of the image are the zero point, and sums begin with what it adds up to, negated, so that
// they end as those of bytes less the zero point.
//
// Bound: as of brain floats, with twice the values in a tile; from a few hundred values to a sum the rounding of
// results takes longer than the products.
#include "kernels/quantized_conv.h"

#include "kernels/amx/conv_tiles.h"
#include "kernels/isa/quantized_epilogue.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

using Problem = TileProblem<uint8_t, uint8_t, int32_t>;
using Scratch = TileScratch<uint8_t, uint8_t, int32_t>;

constexpr int64_t kQuad = 4;  // values that an instruction adds up

// Of each output, kBlock for every pair of panels.
int64_t padded_outputs(const Gather& gather) { return gather.groups * panel_pairs(gather) * kBlock; }

size_t tile_bytes(const Gather& gather) { return static_cast<size_t>(packed_weights<uint8_t>(gather)); }

// Packed weights and, behind them, the sum of the weights of each output.
size_t weight_bytes(const Gather& gather) {
  return tile_bytes(gather) + static_cast<size_t>(padded_outputs(gather)) * sizeof(int32_t);
}

// packed[group][panel][step][16 fours][16 outputs][4], zeros where there is nothing.
void pack_weights(const Gather& gather, const int8_t* weight, std::byte* into) {
  const TileDepth<uint8_t> depth(gather);
  const int64_t panels = 2 * panel_pairs(gather), pitch = gather.result_pitch();
  auto* packed = reinterpret_cast<int8_t*>(into);
  auto* totals = reinterpret_cast<int32_t*>(into + tile_bytes(gather));
  parallel_for(gather.groups * panels, [&](int64_t index, int) {
    const int64_t group = index / panels, output = index % panels * kTileRows;
    const int64_t outputs = larger<int64_t>(0, smaller(kTileRows, gather.outputs - output));
    const int8_t* from = weight + group * gather.outputs + output;
    int8_t* panel = packed + index * depth.steps * kElementsOf<uint8_t>;
    int32_t* sums = totals + index * kTileRows;
    for (int64_t i = 0; i < depth.steps * kElementsOf<uint8_t>; ++i) panel[i] = 0;
    for (int64_t o = 0; o < kTileRows; ++o) sums[o] = 0;
    for (int64_t value = 0; value < depth.values; ++value) {
      int8_t* to = panel + value / kQuad * kTileRows * kQuad + value % kQuad;
      for (int64_t o = 0; o < outputs; ++o) {
        to[o * kQuad] = from[value * pitch + o];
        sums[o] += from[value * pitch + o];
      }
    }
  });
}

// Bytes of what sums begin with, which lie in front of the tiles' workspace.
size_t start_bytes(const Gather& gather) {
  return align(static_cast<size_t>(padded_outputs(gather)) * sizeof(int32_t));
}

TileWorkspace layout_of(const Gather& gather) { return TileWorkspace::of<uint8_t>(gather, weight_bytes(gather)); }

size_t workspace_bytes(const ConvGeometry& geometry) {
  const Gather gather = forward_gather(geometry);
  const size_t scratch = Scratch::bytes(gather, cut_of<uint8_t>(gather, false).height);
  return start_bytes(gather) + layout_of(gather).total(scratch);
}

void forward(const ConvGeometry& geometry, const QuantizedConvArgs& args) {
  const Gather gather = forward_gather(geometry);
  const TileWorkspace layout = layout_of(gather);
  auto* starts = static_cast<int32_t*>(args.workspace);
  std::byte* workspace = static_cast<std::byte*>(args.workspace) + start_bytes(gather);
  __builtin_memset(workspace, args.in.zero_point, layout.weights);
  const auto* weights = static_cast<const std::byte*>(args.prepared_weight);
  if (weights == nullptr) {
    pack_weights(gather, args.weight, workspace + layout.weights);
    weights = workspace + layout.weights;
  }
  const auto* totals = reinterpret_cast<const int32_t*>(weights + tile_bytes(gather));
  for (int64_t o = 0; o < padded_outputs(gather); ++o) {
    starts[o] = static_cast<int32_t>(0U - static_cast<uint32_t>(args.in.zero_point) * static_cast<uint32_t>(totals[o]));
  }
  const QuantizedEpilogue epilogue(args, geometry.out_c);
  multiply_tiles(Problem{gather, args.input, reinterpret_cast<const uint8_t*>(workspace),
                         reinterpret_cast<const uint8_t*>(weights), starts},
                 cut_of<uint8_t>(gather, false), layout, workspace, [&](const TileSums<int32_t>& tile) {
                   epilogue.finish({.sums = tile.sums,
                                    .pitch = kBlock,
                                    .first = tile.first,
                                    .count = tile.count,
                                    .channel = tile.channel,
                                    .channels = tile.channels});
                 });
}

size_t prepared_bytes(const ConvGeometry& geometry) { return weight_bytes(forward_gather(geometry)); }

void prepare(const ConvGeometry& geometry, const int8_t* weight, void* into) {
  pack_weights(forward_gather(geometry), weight, static_cast<std::byte*>(into));
}

}  // namespace

const QuantizedConvKernels& tile_quantized_conv_kernels() {
  static constexpr QuantizedConvKernels kKernels{forward, workspace_bytes, prepared_bytes, prepare};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
