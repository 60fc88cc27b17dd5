// Winograd forward and input gradient: the weights are transformed once, then tasks of kTaskTiles tiles each transform
// their input, multiply in each of the 36 positions, and transform back, all within the cache.
#include "kernels/winograd.h"

#include "core/parallel.h"
#include "kernels/isa/conv_epilogue.h"
#include "kernels/isa/conv_microkernel.h"
#include "kernels/isa/simd.h"
#include "kernels/isa/transpose.h"
#include "kernels/isa/winograd_grad_weight.h"
#include "kernels/isa/winograd_product.h"
#include "kernels/isa/winograd_transform.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Tiles of a task: transformed inputs and products of up to 128 channels stay in the L2 cache.
constexpr int64_t kTaskTiles = 48;
// Tasks that a thread should have at least, so that all finish together.
constexpr int64_t kThreadTasks = 3;
constexpr int64_t kPositions = kWinogradPositions;

// The input gradient is a forward convolution with the weight turned by 180 degrees and its channels exchanged.
struct Problem {
  WinogradMaps maps;
  const float* weight;  // [3][3][in_c][out_c], or where `turned` [3][3][out_c][in_c]
  bool turned;
  const float* transformed = nullptr;  // what transform_weights made of it; or null
};

int64_t transformed_floats(const WinogradMaps& maps) { return kPositions * maps.in_c * whole_vectors(maps.out_c); }

WinogradMaps grad_input_maps(const ConvGeometry& g) {
  return {g.batch, g.out_h, g.out_w, g.out_c, g.in_h, g.in_w, g.in_c, 2 - g.pad_h, 2 - g.pad_w};
}

// A worker's memory: transformed inputs [position][tile][channel] and products [position][tile][panel's lanes]. A line
// is added to each position, or all would fall on the same sets of the cache.
struct Scratch {
  static constexpr int64_t kProductStride = kTaskTiles * kPanelVectors * kLanes + 16;

  float *inputs, *products;
  int64_t input_stride;

  static int64_t stride_of(const WinogradMaps& maps) { return kTaskTiles * whole_vectors(maps.in_c) + 16; }
  static size_t bytes(const WinogradMaps& maps) {
    return static_cast<size_t>(kPositions * (stride_of(maps) + kProductStride)) * sizeof(float);
  }
  Scratch(const WinogradMaps& maps, std::byte* memory)
      : inputs(reinterpret_cast<float*>(memory)),
        products(inputs + kPositions * stride_of(maps)),
        input_stride(stride_of(maps)) {}
};

// Workspace: a row of zeros, the transformed weights [panel][position][channel][panel's lanes], each worker's Scratch.
struct Workspace {
  size_t weights, workers, worker_stride, total;

  explicit Workspace(const WinogradMaps& maps) {
    weights = align(static_cast<size_t>(whole_vectors(maps.in_c)) * sizeof(float));
    workers = weights + align(static_cast<size_t>(transformed_floats(maps)) * sizeof(float));
    worker_stride = align(Scratch::bytes(maps));
    total = workers + worker_stride * static_cast<size_t>(thread_count());
  }
};

// The nine taps of kLanes reduced channels from `channel` on, for one vector of outputs from `output` on.
void load_taps(const Problem& problem, int64_t channel, int64_t output, Vec (&taps)[9][kLanes]) {
  const int64_t in_c = problem.maps.in_c, out_c = problem.maps.out_c;
  const int channels = static_cast<int>(smaller<int64_t>(kLanes, in_c - channel));
  const int outputs = static_cast<int>(smaller<int64_t>(kLanes, out_c - output));
  for (int tap = 0; tap < 9; ++tap) {
    if (problem.turned) {
      const float* source = problem.weight + ((8 - tap) * out_c + output) * in_c + channel;
      for (int i = 0; i < kLanes; ++i) taps[tap][i] = i < outputs ? load_n(source + i * in_c, channels) : zero();
      transpose(taps[tap]);
    } else {
      const float* source = problem.weight + (tap * in_c + channel) * out_c + output;
      for (int i = 0; i < channels; ++i) taps[tap][i] = load_n(source + i * out_c, outputs);
    }
  }
}

void transform_weights(const Problem& problem, float* weights) {
  const int64_t in_c = problem.maps.in_c;
  const Panels panels{problem.maps.out_c};
  const int64_t pieces = ceil_div(in_c, kLanes);
  parallel_for(panels.count() * pieces, [&](int64_t task, int) {
    const int64_t panel = task / pieces, channel = task % pieces * kLanes;
    const int64_t first = panels.first_vector(panel), width = panels.width(panel);
    for (int64_t v = 0; v < width; ++v) {
      Vec taps[9][kLanes];
      load_taps(problem, channel, (first + v) * kLanes, taps);
      float* to = weights + (first * kPositions * in_c + channel * width + v) * kLanes;
      for (int i = 0; i < smaller<int64_t>(kLanes, in_c - channel); ++i, to += width * kLanes) {
        Vec from[3][3], transformed[6][6];
        for (int tap = 0; tap < 9; ++tap) from[tap / 3][tap % 3] = taps[tap][i];
        transform_tile<WeightTransform>(from, transformed);
        for (int p = 0; p < kPositions; ++p) store(to + p * in_c * width * kLanes, transformed[p / 6][p % 6]);
      }
    }
  });
}

struct Output {
  const float *bias, *addend;
  float* output;
  Activation activation = Activation::none;
};

// products[position][tile] = inputs[position][tile] * weights[panel][position] for one panel.
void multiply_positions(const WinogradMaps& maps, const Scratch& scratch, int64_t tiles, const float* weights,
                        int width) {
  PositionBlock block{};
  block.pitch = whole_vectors(maps.in_c);
  block.tiles = tiles;
  block.channels = maps.in_c;
  for (int64_t p = 0; p < kPositions; ++p) {
    block.inputs = scratch.inputs + p * scratch.input_stride;
    block.weights = weights + p * maps.in_c * width * kLanes;
    block.products = scratch.products + p * Scratch::kProductStride;
    multiply_position(block, width);
  }
}

// One vector of channels of one tile.
template <Activation kActivation>
void store_tile(const WinogradMaps& maps, const Vec (&tile)[4][4], const TilePlace& place, int64_t channel,
                const Output& output) {
  const int lanes = static_cast<int>(smaller<int64_t>(kLanes, maps.out_c - channel));
  const Vec bias = output.bias == nullptr ? zero() : load_n(output.bias + channel, lanes);
#pragma GCC unroll 4
  for (int y = 0; y < 4; ++y) {
    if (place.y + y >= maps.out_h) break;
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
      if (place.x + x >= maps.out_w) break;
      const int64_t at = ((place.image * maps.out_h + place.y + y) * maps.out_w + place.x + x) * maps.out_c + channel;
      Vec result = tile[y][x] + bias;
      // Masked stores are slow on some processors.
      if (lanes == kLanes) {
        if (output.addend != nullptr) result = result + load(output.addend + at);
        store(output.output + at, activate<kActivation>(result));
      } else {
        if (output.addend != nullptr) result = result + load_n(output.addend + at, lanes);
        store_n(output.output + at, activate<kActivation>(result), lanes);
      }
    }
  }
}

void transform_output(const WinogradMaps& maps, const float* products, const TilePlace& place, int64_t channel,
                      const Output& output) {
  Vec from[6][6], to[4][4];
#pragma GCC unroll 36
  for (int p = 0; p < kPositions; ++p) from[p / 6][p % 6] = load(products + p * Scratch::kProductStride);
  transform_tile<OutputTransform>(from, to);
  with_activation(output.activation,
                  [&](auto tag) { store_tile<decltype(tag)::value>(maps, to, place, channel, output); });
}

void run(const Problem& problem, const float* input, const Output& output, std::byte* workspace) {
  const WinogradMaps& maps = problem.maps;
  const Workspace layout(maps);
  auto* zeros = reinterpret_cast<float*>(workspace);
  for (int64_t c = 0; c < whole_vectors(maps.in_c); ++c) zeros[c] = 0.0F;
  const float* weights = problem.transformed;
  if (weights == nullptr) {
    auto* own = reinterpret_cast<float*>(workspace + layout.weights);
    transform_weights(problem, own);
    weights = own;
  }
  const Panels panels{maps.out_c};
  const int64_t blocks = ceil_div(maps.tiles(), kTaskTiles);
  // Each split transforms the inputs again.
  const int64_t splits = smaller(panels.count(), ceil_div(kThreadTasks * thread_count(), blocks));
  parallel_for(blocks * splits, [&](int64_t task, int worker) {
    const int64_t block = task / splits, split = task % splits;
    const int64_t first = maps.tiles() * block / blocks, tiles = maps.tiles() * (block + 1) / blocks - first;
    const Scratch scratch(maps, workspace + layout.workers + layout.worker_stride * static_cast<size_t>(worker));
    for (int64_t i = 0; i < tiles; ++i) {
      const TilePlace place = place_of(maps, first + i);
      transform_pixels<InputTransform>(input + place.image * maps.in_h * maps.in_w * maps.in_c, maps.in_h, maps.in_w,
                                       maps.in_c, place.y - maps.pad_h, place.x - maps.pad_w, zeros,
                                       InputPlace{scratch.inputs + i * whole_vectors(maps.in_c), scratch.input_stride});
    }
    for (int64_t panel = panels.count() * split / splits; panel < panels.count() * (split + 1) / splits; ++panel) {
      const int width = panels.width(panel);
      const int64_t vector = panels.first_vector(panel);
      multiply_positions(maps, scratch, tiles, weights + vector * kPositions * maps.in_c * kLanes, width);
      for (int64_t i = 0; i < tiles; ++i) {
        const TilePlace place = place_of(maps, first + i);
        for (int64_t v = 0; v < width; ++v) {
          transform_output(maps, scratch.products + (i * width + v) * kLanes, place, (vector + v) * kLanes, output);
        }
      }
    }
  });
}

// Statistics and activation over tiles of consecutive pixels, which Winograd's tiles are not.
void finish(const ConvGeometry& geometry, const ConvForwardArgs& args) {
  const int64_t pixels = geometry.batch * geometry.out_h * geometry.out_w, channels = geometry.out_c;
  parallel_for(ceil_div(pixels, kTilePixels), [&](int64_t tile, int) {
    int64_t offsets[kTilePixels];
    for (int64_t i = 0; i < kTilePixels; ++i) offsets[i] = i * channels;
    const int64_t first = tile * kTilePixels * channels;
    const ResultTile result{args.output + first, offsets, smaller(kTilePixels, pixels - tile * kTilePixels), channels};
    if (args.statistics != nullptr) {
      float* sums = args.statistics + tile * 2 * channels;
      write_statistics(result, sums, sums + channels);
    }
    if (args.activated != nullptr) write_activated(result, args.activation, args.activated + first);
  });
}

void winograd_forward(const ConvGeometry& geometry, const ConvForwardArgs& args) {
  const bool at_once = args.activated == args.output && args.statistics == nullptr;
  run({forward_maps(geometry), args.weight, false, static_cast<const float*>(args.prepared_weight)}, args.input,
      {args.bias, args.addend, args.output, at_once ? args.activation : Activation::none},
      static_cast<std::byte*>(args.workspace));
  if (!at_once && (args.statistics != nullptr || args.activated != nullptr)) finish(geometry, args);
}

void winograd_grad_input(const ConvGeometry& geometry, const ConvGradInputArgs& args) {
  run({grad_input_maps(geometry), args.weight, true}, args.grad_output,
      {nullptr, args.addend, args.grad_input, Activation::none}, static_cast<std::byte*>(args.workspace));
}

size_t winograd_forward_workspace(const ConvGeometry& geometry) { return Workspace(forward_maps(geometry)).total; }
size_t winograd_grad_input_workspace(const ConvGeometry& geometry) {
  return Workspace(grad_input_maps(geometry)).total;
}

size_t winograd_prepared_bytes(const ConvGeometry& geometry) {
  return static_cast<size_t>(transformed_floats(forward_maps(geometry))) * sizeof(float);
}

void winograd_prepare(const ConvGeometry& geometry, const float* weight, void* into) {
  transform_weights({forward_maps(geometry), weight, false}, static_cast<float*>(into));
}

}  // namespace

const ConvKernels& winograd_kernels() {
  static constexpr ConvKernels kKernels{winograd_forward,
                                        winograd_grad_input,
                                        winograd_grad_weight,
                                        winograd_forward_workspace,
                                        winograd_grad_input_workspace,
                                        winograd_grad_weight_workspace,
                                        winograd_prepared_bytes,
                                        winograd_prepare};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
