// Convolution of bytes on matrix tiles (conv_tiles.h). A product takes four bytes of a pixel by four weights, exactly,
// in 32 bits. Taps outside of the image are the zero point, and sums begin with what it adds up to, negated, so that
// they end as those of bytes less the zero point.
//
// Bound: as of brain floats, with twice the values in a tile; from a few hundred values to a sum the rounding of
// results takes longer than the products.
#include "kernels/quantized_conv.h"

#include "kernels/amx/conv_tiles.h"
#include "kernels/isa/byte_output.h"
#include "kernels/isa/quantized_epilogue.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

using Problem = TileProblem<uint8_t, uint8_t, int32_t>;
using Scratch = TileScratch<uint8_t, uint8_t, int32_t>;

constexpr int64_t kQuad = 4;  // values that an instruction adds up

Gather gather_of(const ConvGeometry& geometry) { return tile_gather<uint8_t>(forward_gather(geometry)); }

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
    for (int64_t tap = 0; tap < gather.taps(); ++tap) {
      for (int64_t channel = 0; channel < gather.channels; ++channel, from += pitch) {
        const int64_t value = tap * depth.tap_values + channel;
        int8_t* to = panel + value / kQuad * kTileRows * kQuad + value % kQuad;
        for (int64_t o = 0; o < outputs; ++o) {
          to[o * kQuad] = from[o];
          sums[o] += from[o];
        }
      }
    }
  });
}

// In front of the tiles' workspace, kBlock for every pair of panels: what sums begin with, scales and biases.
struct Constants {
  int32_t* starts;
  float *scales, *biases;

  static size_t row_bytes(const Gather& gather) {
    return align(static_cast<size_t>(padded_outputs(gather)) * sizeof(float));
  }
  static size_t bytes(const Gather& gather) { return 3 * row_bytes(gather); }

  Constants(const Gather& gather, const QuantizedConvArgs& args, const int32_t* totals, std::byte* memory)
      : starts(reinterpret_cast<int32_t*>(memory)),
        scales(reinterpret_cast<float*>(memory + row_bytes(gather))),
        biases(reinterpret_cast<float*>(memory + 2 * row_bytes(gather))) {
    const int64_t padded = panel_pairs(gather) * kBlock;
    for (int64_t i = 0; i < padded_outputs(gather); ++i) {
      const int64_t output = i % padded, channel = i / padded * gather.outputs + output;
      const bool is_there = output < gather.outputs;
      starts[i] =
          static_cast<int32_t>(0U - static_cast<uint32_t>(args.in.zero_point) * static_cast<uint32_t>(totals[i]));
      scales[i] = is_there ? args.weight_scale[channel] * args.in.scale : 0;
      biases[i] = is_there && args.bias != nullptr ? args.bias[channel] : 0;
    }
  }
};

enum class ByteAddend { none, first, last };

// Bytes of a tile's sums, a register of them at a time.
template <Activation kActivation, ByteAddend kAddend>
void finish_bytes(const Gather& gather, const QuantizedConvArgs& args, const ByteOutput& output,
                  const Constants& constants, const TileSums<int32_t>& tile) {
  const ByteOutput bytes = output;
  const ByteRegister added(args.addend_scale);
  const int64_t group = tile.channel / gather.outputs;
  const int64_t place = group * panel_pairs(gather) * kBlock + tile.channel - group * gather.outputs;
  const Vec scales[2] = {load(constants.scales + place), load(constants.scales + place + kLanes)};
  const Vec biases[2] = {load(constants.biases + place), load(constants.biases + place + kLanes)};
  const int64_t pitch = gather.result_pitch();
  uint8_t* const to = args.byte_output + tile.first * pitch + tile.channel;
  constexpr bool kAdds = kAddend != ByteAddend::none;
  const uint8_t* addend = kAdds ? args.byte_addend + tile.first * pitch + tile.channel : nullptr;
  const auto mask = static_cast<__mmask32>(~uint32_t{0} >> (kBlock - tile.channels));
  const auto steps = [&](int64_t pixel, int half) {
    Vec y = to_floats(load(tile.sums + pixel * kBlock + half * kLanes)) * scales[half] + biases[half];
    Vec more = zero();
    if constexpr (kAdds) {
      const __m128i part =
          _mm_maskz_loadu_epi8(static_cast<__mmask16>(mask >> (half * kLanes)), addend + pixel * pitch + half * kLanes);
      more = added.numbers({_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(part))});
    }
    if constexpr (kAddend == ByteAddend::first) y = y + more;
    y = activate<kActivation, uint8_t>(y);
    if constexpr (kAddend == ByteAddend::last) y = y + more;
    return bytes.steps(y);
  };
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const auto sorted = [&](__m512i first, __m512i second) {
    return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(first, second));
  };
  if (tile.channels <= kLanes) {  // four pixels of a panel
    for (int64_t pixel = 0; pixel < tile.count; pixel += 4) {
      const auto steps_of = [&](int64_t i) { return steps(smaller(pixel + i, tile.count - 1), 0); };
      const __m512i four = sorted(bytes.pack(steps_of(0), steps_of(1)), bytes.pack(steps_of(2), steps_of(3)));
      alignas(64) uint8_t rows[4][kLanes];
      _mm512_store_si512(rows, four);
      for (int64_t i = 0; i < smaller<int64_t>(4, tile.count - pixel); ++i) {
        _mm_mask_storeu_epi8(to + (pixel + i) * pitch, static_cast<__mmask16>(mask),
                             _mm_load_si128(reinterpret_cast<const __m128i*>(rows[i])));
      }
    }
    return;
  }
  for (int64_t pixel = 0; pixel < tile.count; pixel += 2) {
    const bool two = pixel + 1 < tile.count;
    const auto pixel_bytes = [&](int64_t i) { return bytes.pack(steps(i, 0), steps(i, 1)); };
    const __m512i first = pixel_bytes(pixel), pair = sorted(first, two ? pixel_bytes(pixel + 1) : first);
    _mm256_mask_storeu_epi8(to + pixel * pitch, mask, _mm512_castsi512_si256(pair));
    if (two) _mm256_mask_storeu_epi8(to + (pixel + 1) * pitch, mask, _mm512_extracti64x4_epi64(pair, 1));
  }
}

TileWorkspace layout_of(const Gather& gather) { return TileWorkspace::of<uint8_t>(gather, weight_bytes(gather)); }

size_t workspace_bytes(const ConvGeometry& geometry) {
  const Gather gather = gather_of(geometry);
  const size_t scratch = Scratch::bytes(gather, cut_of<uint8_t>(gather, false).height);
  return Constants::bytes(gather) + layout_of(gather).total(scratch);
}

void forward(const ConvGeometry& geometry, const QuantizedConvArgs& args) {
  const Gather gather = gather_of(geometry);
  const TileWorkspace layout = layout_of(gather);
  std::byte* workspace = static_cast<std::byte*>(args.workspace) + Constants::bytes(gather);
  __builtin_memset(workspace, args.in.zero_point, layout.weights);
  const auto* weights = static_cast<const std::byte*>(args.prepared_weight);
  if (weights == nullptr) {
    pack_weights(gather, args.weight, workspace + layout.weights);
    weights = workspace + layout.weights;
  }
  const Constants constants(gather, args, reinterpret_cast<const int32_t*>(weights + tile_bytes(gather)),
                            static_cast<std::byte*>(args.workspace));
  const Problem problem{gather, args.input, reinterpret_cast<const uint8_t*>(workspace),
                        reinterpret_cast<const uint8_t*>(weights), constants.starts};
  const TileCut cut = cut_of<uint8_t>(gather, false);
  if (args.byte_output == nullptr || args.addend != nullptr) {
    const QuantizedEpilogue epilogue(args, geometry.out_c);
    multiply_tiles(problem, cut, layout, workspace, [&](const TileSums<int32_t>& tile) {
      epilogue.finish({.sums = tile.sums,
                       .pitch = kBlock,
                       .first = tile.first,
                       .count = tile.count,
                       .channel = tile.channel,
                       .channels = tile.channels});
    });
    return;
  }
  const ByteOutput bytes(args);
  multiply_tiles(problem, cut, layout, workspace, [&](const TileSums<int32_t>& tile) {
    with_activation(bytes.activation, [&](auto tag) {
      constexpr Activation kActivation = decltype(tag)::value;
      const auto finish = args.byte_addend == nullptr ? finish_bytes<kActivation, ByteAddend::none>
                          : args.addend_last          ? finish_bytes<kActivation, ByteAddend::last>
                                                      : finish_bytes<kActivation, ByteAddend::first>;
      finish(gather, args, bytes, constants, tile);
    });
  });
}

size_t prepared_bytes(const ConvGeometry& geometry) { return weight_bytes(gather_of(geometry)); }

void prepare(const ConvGeometry& geometry, const int8_t* weight, void* into) {
  pack_weights(gather_of(geometry), weight, static_cast<std::byte*>(into));
}

}  // namespace

const QuantizedConvKernels& tile_quantized_conv_kernels() {
  static constexpr QuantizedConvKernels kKernels{forward, workspace_bytes, prepared_bytes, prepare};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
