// Forward and input gradient on matrix tiles of brain floats (conv_tiles.h).
//
// Bound: a product of tiles takes 16 cycles and its operands 8 each from the first cache, so that 2 x 2 products are
// done as fast as the unit can; with few channels the results' rounding, sums and stores, and memory, take longer.
#include "core/activation.h"
#include "core/parallel.h"
#include "kernels/amx/conv_grad_weight.h"
#include "kernels/amx/conv_tiles.h"
#include "kernels/bf16_conv.h"
#include "kernels/isa/activation.h"
#include "kernels/isa/conv_epilogue.h"
#include "kernels/isa/conv_gather.h"
#include "kernels/isa/streaming.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

struct Epilogue {
  const float* bias;
  const Bf16* addend;
  Bf16* output;
  Activation activation;
  float* statistics;
  bool streamed = false;  // whether lines are written around the caches
};

// Of results less the mean of the first few, so that little cancels: their sum, and that of their squares.
struct Moments {
  Pair shift, sum, square;

  void begin(Pair mean) {
    shift = mean;
    sum = square = zero();
  }
  void add(Pair result) {
    const Pair x = result - shift;
    sum = sum + x;
    square = fma(x, x, square);
  }
  static Moments load_from(const float* kept) {
    return {load_pair(kept), load_pair(kept + kBlock), load_pair(kept + 2 * kBlock)};
  }
  void store_to(float* kept) const {
    store(kept, shift);
    store(kept + kBlock, sum);
    store(kept + 2 * kBlock, square);
  }
  // The sum of `pixels` results, and that of their squared deviations from their mean.
  void write(int64_t pixels, int64_t channels, float* sums, float* deviations) const {
    const Vec count = broadcast(static_cast<float>(pixels)), share = broadcast(1.0F / static_cast<float>(pixels));
    const auto half = [&](Vec first, Vec total, Vec squares, int64_t channel) {
      const auto lanes = static_cast<int>(smaller<int64_t>(kLanes, channels - channel));
      if (lanes <= 0) return;
      store_n(sums + channel, fma(first, count, total), lanes);
      store_n(deviations + channel, max(squares - total * (total * share), zero()), lanes);
    };
    half(shift.a, sum.a, square.a, 0);
    half(shift.b, sum.b, square.b, kLanes);
  }
};

// What becomes of some sums.
template <Activation kActivation, bool kStatistics>
void finish(const Gather& gather, const Epilogue& given, const TileSums<float>& sums) {
  const Epilogue epilogue = given;  // in registers, whatever is written
  const TileSums<float> tile = sums;
  const int64_t channel = tile.channel, channels = tile.channels;
  const auto first = static_cast<int>(smaller<int64_t>(kLanes, channels)), second = static_cast<int>(channels) - first;
  Pair bias = zero();
  if (epilogue.bias != nullptr) {
    bias.a = load_n(epilogue.bias + channel, first);
    if (second > 0) bias.b = load_n(epilogue.bias + channel + kLanes, second);
  }
  const bool begins = tile.first % kTilePixels == 0;
  Moments moments{zero(), zero(), zero()};
  if (kStatistics && !begins) moments = Moments::load_from(tile.kept);
  const auto result_of = [&](int64_t pixel, int64_t at) {
    Pair result = load_pair(tile.sums + pixel * kBlock) + bias;
    if (epilogue.addend != nullptr) {
      result.a = result.a + load_n(epilogue.addend + at, first);
      if (second > 0) result.b = result.b + load_n(epilogue.addend + at + kLanes, second);
    }
    return result;
  };
  if (kStatistics && begins) {
    const int64_t pixels = smaller(tile.count, kFirstPixels);
    Pair sum = zero();
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      sum = sum + result_of(pixel, tile.destinations[pixel] + channel);
    }
    moments.begin(sum * broadcast(1.0F / static_cast<float>(pixels)));
  }
  for (int64_t pixel = 0; pixel < tile.count; ++pixel) {
    const int64_t at = tile.destinations[pixel] + channel;
    Pair result = result_of(pixel, at);
    if constexpr (kStatistics) moments.add(result);
    result = activate<kActivation, Bf16>(result);
    const auto rounded = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(result.b.v, result.a.v));
    if (epilogue.streamed) {
      _mm512_stream_si512(reinterpret_cast<__m512i*>(epilogue.output + at), rounded);
    } else if (channels == kBlock) {
      _mm512_storeu_si512(epilogue.output + at, rounded);
    } else {
      _mm512_mask_storeu_epi16(epilogue.output + at, static_cast<__mmask32>((uint64_t{1} << channels) - 1U), rounded);
    }
  }
  if constexpr (kStatistics) {
    const int64_t end = tile.first + tile.count;
    if (end % kTilePixels != 0 && end != gather.pixels()) return moments.store_to(tile.kept);
    const int64_t index = (end - 1) / kTilePixels;
    float* statistics = epilogue.statistics + index * 2 * gather.result_pitch() + channel;
    moments.write(end - index * kTilePixels, channels, statistics, statistics + gather.result_pitch());
  }
}

void finish_sums(const Gather& gather, const Epilogue& epilogue, const TileSums<float>& tile) {
  with_activation(epilogue.activation, [&](auto tag) {
    constexpr Activation kActivation = decltype(tag)::value;
    (epilogue.statistics == nullptr ? finish<kActivation, false> : finish<kActivation, true>)(gather, epilogue, tile);
  });
}

template <class Element>
void run_gather(const Gather& gather, const Element* source, const Bf16* weights, Epilogue epilogue,
                const TileWorkspace& layout, std::byte* workspace) {
  // A pair of panels makes a line of each pixel.
  epilogue.streamed = gather.outputs % kBlock == 0 &&
                      streams(gather.pixels() * gather.result_pitch(), epilogue.output, epilogue.addend);
  multiply_tiles(TileProblem<Element, Bf16, float>{gather, source, reinterpret_cast<const Element*>(workspace), weights,
                                                   nullptr, epilogue.statistics != nullptr},
                 cut_of<Bf16>(gather, epilogue.statistics != nullptr), layout, workspace,
                 [&](const TileSums<float>& tile) { finish_sums(gather, epilogue, tile); });
}

Gather forward_tiles(const ConvGeometry& geometry) { return tile_gather<Bf16>(forward_gather(geometry)); }
Gather grad_input_tiles(const ConvGeometry& geometry, int64_t phase) {
  return tile_gather<Bf16>(grad_input_gather(geometry, phase));
}

// Weights [tap of the kernel][value reduced][output], or where `transposed` [tap][output][value].
struct WeightView {
  const float* data;
  int64_t pitch, tap_stride, group_stride, kernel_w;
  bool transposed;
};

// packed[group][panel][step][16 pairs][16 outputs][2], zeros where there is nothing.
void pack_weights(const Gather& gather, const WeightView& view, Bf16* packed) {
  const TileDepth<Bf16> depth(gather);
  const int64_t pairs = panel_pairs(gather);
  const int64_t pixel_channels = gather.windows ? gather.source_pitch : gather.channels;
  const int64_t channel_step = view.transposed ? 1 : view.pitch;
  parallel_for(gather.groups * pairs * depth.steps, [&](int64_t index, int) {
    // Neighbouring tasks read neighbouring weights.
    const int64_t step = (view.transposed ? index : index / pairs) % depth.steps;
    const int64_t pair = (view.transposed ? index / depth.steps : index) % pairs;
    const int64_t group = index / depth.steps / pairs;
    Bf16* low = packed + ((group * pairs + pair) * 2 * depth.steps + step) * kTileElements;
    Bf16* high = low + depth.steps * kTileElements;
    const int64_t output = pair * kBlock, outputs = smaller(kBlock, gather.outputs - output);
    // Of each value the weight of the group's first output; null: there is none.
    const float* weights[kTileDepth] = {};
    int64_t tap = step * kTileDepth / depth.tap_values, in_tap = step * kTileDepth % depth.tap_values;
    for (int64_t i = 0; i < kTileDepth && tap < gather.taps();) {
      const int64_t column = gather.windows ? in_tap / pixel_channels : tap % gather.x.taps;
      const int64_t kernel = (gather.y.tap_first + tap / gather.x.taps * gather.y.tap_step) * view.kernel_w +
                             gather.x.tap_first + column * gather.x.tap_step;
      const int64_t channel = in_tap % pixel_channels;
      const float* weight = view.data + group * view.group_stride + kernel * view.tap_stride + channel * channel_step;
      // Those of a pixel's channels, then zeros up to the end of the tap.
      const int64_t count = in_tap < gather.channels ? smaller(kTileDepth - i, pixel_channels - channel) : 0;
      for (int64_t c = 0; c < count; ++c) weights[i + c] = weight + c * channel_step;
      const int64_t skipped = count > 0 ? count : smaller(kTileDepth - i, depth.tap_values - in_tap);
      i += skipped;
      in_tap += skipped;
      if (in_tap == depth.tap_values) {
        in_tap = 0;
        ++tap;
      }
    }
    if (!view.transposed) {
      pack_columns([&](int64_t i) { return weights[i] == nullptr ? nullptr : weights[i] + output; }, outputs, low,
                   high);
      return;
    }
    int64_t count = 0;
    while (count < kTileDepth && weights[count] != nullptr) ++count;
    const bool side_by_side = count > 0 && weights[count - 1] == weights[0] + count - 1;
    for (int64_t row = 0; row < kBlock; ++row) {
      const int64_t offset = (output + row) * view.pitch;
      __m512i values = _mm512_setzero_si512();
      if (row < outputs && side_by_side) {
        values = row_of(weights[0] + offset, count);
      } else if (row < outputs) {
        float collected[kTileDepth] = {};
        for (int64_t i = 0; i < count; ++i) collected[i] = weights[i][offset];
        values = row_of(collected, kTileDepth);
      }
      store_row((row < kTileRows ? low : high) + row % kTileRows * kTileDepth, values);
    }
    transpose_pairs(low);
    transpose_pairs(high);
  });
}

WeightView forward_weight(const ConvGeometry& geometry, const float* weight) {
  return {weight,
          geometry.out_c,
          geometry.in_c / geometry.groups * geometry.out_c,
          geometry.out_c / geometry.groups,
          geometry.kernel_w,
          false};
}

size_t weight_bytes(const Gather& gather) { return static_cast<size_t>(packed_weights<Bf16>(gather)) * sizeof(Bf16); }

TileWorkspace forward_layout(const Gather& gather) { return TileWorkspace::of<float>(gather, weight_bytes(gather)); }

size_t forward_workspace(const ConvGeometry& geometry) {
  const Gather gather = forward_tiles(geometry);
  const auto scratch = [&](bool statistics) {
    return TileScratch<float, Bf16, float>::bytes(gather, cut_of<Bf16>(gather, statistics).height);
  };
  return forward_layout(gather).total(larger(scratch(false), scratch(true)));
}

TileWorkspace grad_input_layout(const ConvGeometry& geometry) {
  size_t weights = 0;
  for (int64_t phase = 0; phase < grad_input_phases(geometry); ++phase) {
    weights = larger(weights, weight_bytes(grad_input_tiles(geometry, phase)));
  }
  return TileWorkspace::of<Bf16>(grad_input_tiles(geometry, 0), weights);
}

size_t grad_input_workspace(const ConvGeometry& geometry) {
  size_t scratch = 0;
  for (int64_t phase = 0; phase < grad_input_phases(geometry); ++phase) {
    const Gather gather = grad_input_tiles(geometry, phase);
    scratch = larger(scratch, TileScratch<Bf16, Bf16, float>::bytes(gather, cut_of<Bf16>(gather, false).height));
  }
  return grad_input_layout(geometry).total(scratch);
}

void clear_zeros(const TileWorkspace& layout, std::byte* workspace) {
  for (size_t i = 0; i < layout.weights; i += 64) {
    _mm512_store_si512(workspace + i, _mm512_setzero_si512());
  }
}

void forward(const ConvGeometry& geometry, const Bf16ConvForwardArgs& args) {
  const Gather gather = forward_tiles(geometry);
  const TileWorkspace layout = forward_layout(gather);
  auto* workspace = static_cast<std::byte*>(args.workspace);
  clear_zeros(layout, workspace);
  const auto* weights = static_cast<const Bf16*>(args.prepared_weight);
  if (weights == nullptr) {
    auto* own = reinterpret_cast<Bf16*>(workspace + layout.weights);
    pack_weights(gather, forward_weight(geometry, args.weight), own);
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
  const TileWorkspace layout = grad_input_layout(geometry);
  auto* workspace = static_cast<std::byte*>(args.workspace);
  clear_zeros(layout, workspace);
  auto* weights = reinterpret_cast<Bf16*>(workspace + layout.weights);
  for (int64_t phase = 0; phase < grad_input_phases(geometry); ++phase) {
    const Gather gather = grad_input_tiles(geometry, phase);
    if (gather.pixels() == 0) continue;
    const WeightView view{args.weight,
                          geometry.out_c,
                          gather.outputs * geometry.out_c,
                          geometry.out_c / geometry.groups,
                          geometry.kernel_w,
                          true};
    pack_weights(gather, view, weights);
    run_gather(gather, args.grad_output, weights, {nullptr, args.addend, args.grad_input, Activation::none, nullptr},
               layout, workspace);
  }
}

size_t prepared_bytes(const ConvGeometry& geometry) { return weight_bytes(forward_tiles(geometry)); }

void prepare(const ConvGeometry& geometry, const float* weight, void* into) {
  const Gather gather = forward_tiles(geometry);
  pack_weights(gather, forward_weight(geometry, weight), static_cast<Bf16*>(into));
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
