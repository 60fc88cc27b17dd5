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

namespace convoy::kernels::CONVOY_ISA {
namespace {

struct Epilogue {
  const float* bias;
  const Bf16* addend;
  Bf16* output;
  Activation activation;
  float* statistics;
};

// The results of a tile with one pair of panels, `channels` of them from `channel` on.
template <Activation kActivation>
void finish(const Epilogue& epilogue, const int64_t* destinations, int64_t count, int64_t channel, int64_t channels,
            const float* sums) {
  const auto first = static_cast<int>(smaller<int64_t>(kLanes, channels)), second = static_cast<int>(channels) - first;
  Pair bias{zero(), zero()};
  if (epilogue.bias != nullptr) {
    bias.a = load_n(epilogue.bias + channel, first);
    if (second > 0) bias.b = load_n(epilogue.bias + channel + kLanes, second);
  }
  for (int64_t pixel = 0; pixel < count; ++pixel, sums += kBlock) {
    const int64_t at = destinations[pixel] + channel;
    Pair result = load_pair(sums);
    result = {result.a + bias.a, result.b + bias.b};
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

// What becomes of the sums of a tile with one pair of panels.
void finish_tile(const Gather& gather, Epilogue epilogue, const TileSums<float>& tile) {
  float* const sums = tile.sums;
  const int64_t* const destinations = tile.destinations;
  const int64_t count = tile.count, channel = tile.channel, channels = tile.channels;
  if (epilogue.statistics != nullptr) {
    if (epilogue.bias != nullptr) add_bias(epilogue.bias + channel, count, channels, sums);
    if (epilogue.addend != nullptr) add_addend(epilogue, destinations, count, channel, channels, sums);
    epilogue.bias = nullptr;
    epilogue.addend = nullptr;
    int64_t offsets[kTilePixels];
    for (int64_t pixel = 0; pixel < count; ++pixel) offsets[pixel] = pixel * kBlock;
    float* statistics = epilogue.statistics + tile.first / kTilePixels * 2 * gather.result_pitch() + channel;
    write_statistics({sums, offsets, count, channels}, statistics, statistics + gather.result_pitch());
  }
  with_activation(epilogue.activation, [&](auto tag) {
    finish<decltype(tag)::value>(epilogue, destinations, count, channel, channels, sums);
  });
}

template <class Element>
void run_gather(const Gather& gather, const Element* source, const Bf16* weights, const Epilogue& epilogue,
                const TileWorkspace& layout, std::byte* workspace) {
  multiply_tiles(TileProblem<Element, Bf16, float>{gather, source, reinterpret_cast<const Element*>(workspace), weights,
                                                   nullptr, epilogue.statistics != nullptr},
                 cut_of<Bf16>(gather, epilogue.statistics != nullptr), layout, workspace,
                 [&](const TileSums<float>& tile) { finish_tile(gather, epilogue, tile); });
}

// Weights as a gather multiplies them: [tap][value reduced][output], or where `transposed` [tap][output][value].
struct WeightView {
  const float* data;
  int64_t pitch, tap_stride, group_stride, kernel_w;
  bool transposed;
};

// packed[group][panel][step][16 pairs][16 outputs][2], zeros where there is nothing.
void pack_weights(const Gather& gather, const WeightView& view, Bf16* packed) {
  const TileDepth<Bf16> depth(gather);
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
        const int64_t channel = value % depth.tap_values;
        return i < count && channel < gather.channels
                   ? tap_of(group, value / depth.tap_values) + channel * view.pitch + output
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

size_t weight_bytes(const Gather& gather) { return static_cast<size_t>(packed_weights<Bf16>(gather)) * sizeof(Bf16); }

TileWorkspace forward_layout(const Gather& gather) { return TileWorkspace::of<float>(gather, weight_bytes(gather)); }

size_t forward_workspace(const ConvGeometry& geometry) {
  const Gather gather = forward_gather(geometry);
  const auto scratch = [&](bool statistics) {
    return TileScratch<float, Bf16, float>::bytes(gather, cut_of<Bf16>(gather, statistics).height);
  };
  return forward_layout(gather).total(larger(scratch(false), scratch(true)));
}

TileWorkspace grad_input_layout(const ConvGeometry& geometry) {
  size_t weights = 0;
  for (int64_t phase = 0; phase < grad_input_phases(geometry); ++phase) {
    weights = larger(weights, weight_bytes(grad_input_gather(geometry, phase)));
  }
  return TileWorkspace::of<Bf16>(grad_input_gather(geometry, 0), weights);
}

size_t grad_input_workspace(const ConvGeometry& geometry) {
  size_t scratch = 0;
  for (int64_t phase = 0; phase < grad_input_phases(geometry); ++phase) {
    const Gather gather = grad_input_gather(geometry, phase);
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
  const Gather gather = forward_gather(geometry);
  const TileWorkspace layout = forward_layout(gather);
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
  const TileWorkspace layout = grad_input_layout(geometry);
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

size_t prepared_bytes(const ConvGeometry& geometry) { return weight_bytes(forward_gather(geometry)); }

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
