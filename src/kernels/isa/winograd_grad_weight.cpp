// Winograd weight gradient: runs of tiles are transformed, inputs and grad_outputs alike, and multiplied in each of the
// 36 positions with the sum over tiles; the sums are transformed once at the end.
#include "kernels/isa/winograd_grad_weight.h"

#include "core/parallel.h"
#include "kernels/isa/conv_microkernel.h"
#include "kernels/isa/conv_outer.h"
#include "kernels/isa/simd.h"
#include "kernels/isa/winograd_transform.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Bytes of the transformed tiles of a run: they stay in the L3 cache.
constexpr int64_t kRunBytes = int64_t{8} << 20;
// Tiles that a task transforms.
constexpr int64_t kTaskTiles = 8;
constexpr int64_t kPositions = kWinogradPositions;

// Input channels and panels that a task multiplies at most.
constexpr int64_t kTaskChannels = 128, kTaskPanels = 8;

// Workspace: a row of zeros; inputs [position][tile][in_c]; grad_outputs [position][panel][tile][panel's lanes];
// gradients [panel][position][in_c][panel's lanes]; each worker's addresses of a run's tiles
// and packed channels of a block of them. in_c and out_c in whole vectors.
struct Plan {
  WinogradMaps maps;
  Panels panels;
  int64_t in_c, out_c, run_tiles;
  int64_t channel_chunks, panel_chunks;
  int64_t input_stride, grad_stride;  // floats of a position
  size_t inputs, grads, sums, workers, worker_stride, total;

  explicit Plan(const ConvGeometry& g)
      : maps(forward_maps(g)), panels{g.out_c}, in_c(whole_vectors(g.in_c)), out_c(whole_vectors(g.out_c)) {
    const int64_t blocks = kRunBytes / (kPositions * (in_c + out_c) * 4 * kOuterPixels);
    run_tiles = smaller(larger<int64_t>(1, blocks), ceil_div(maps.tiles(), kOuterPixels)) * kOuterPixels;
    channel_chunks = ceil_div(g.in_c, kTaskChannels);
    panel_chunks = ceil_div(panels.count(), kTaskPanels);
    input_stride = run_tiles * in_c + 16;
    grad_stride = run_tiles * out_c + 16;
    const auto floats = [](int64_t count) { return align(static_cast<size_t>(count) * sizeof(float)); };
    inputs = floats(larger(in_c, out_c));
    grads = inputs + floats(kPositions * input_stride);
    sums = grads + floats(kPositions * grad_stride);
    workers = sums + floats(kPositions * maps.in_c * out_c);
    const Strips strips(ceil_div(g.in_c, channel_chunks), strip_rows(panels.widest()));
    worker_stride = rows_bytes() + floats(strips.count() * strips.floats());
    total = workers + worker_stride * static_cast<size_t>(thread_count());
  }

  size_t rows_bytes() const { return align(static_cast<size_t>(run_tiles) * sizeof(float*)); }
};

struct GradPlace {
  const Panels& panels;
  float* first;  // of the run
  int64_t tile, run_tiles, stride;

  float* start(int64_t vector) const {
    int64_t panel = vector * panels.count() / panels.vectors();
    while (panels.first_vector(panel + 1) <= vector) ++panel;
    const int64_t begin = panels.first_vector(panel);
    return first + (begin * run_tiles + tile * panels.width(panel) + vector - begin) * kLanes;
  }
};

void transform_run(const Plan& plan, const ConvGradWeightArgs& args, std::byte* memory, int64_t first, int64_t tiles) {
  const WinogradMaps& maps = plan.maps;
  const auto* zeros = reinterpret_cast<const float*>(memory);
  auto* inputs = reinterpret_cast<float*>(memory + plan.inputs);
  auto* grads = reinterpret_cast<float*>(memory + plan.grads);
  parallel_for(ceil_div(tiles, kTaskTiles), [&](int64_t task, int) {
    for (int64_t i = task * kTaskTiles; i < smaller(tiles, (task + 1) * kTaskTiles); ++i) {
      const TilePlace place = place_of(maps, first + i);
      transform_pixels<InputTransform>(args.input + place.image * maps.in_h * maps.in_w * maps.in_c, maps.in_h,
                                       maps.in_w, maps.in_c, place.y - maps.pad_h, place.x - maps.pad_w, zeros,
                                       InputPlace{inputs + i * plan.in_c, plan.input_stride});
      transform_pixels<GradOutputTransform>(args.grad_output + place.image * maps.out_h * maps.out_w * maps.out_c,
                                            maps.out_h, maps.out_w, maps.out_c, place.y, place.x, zeros,
                                            GradPlace{plan.panels, grads, i, plan.run_tiles, plan.grad_stride});
    }
  });
}

// sums[panel][position] += inputs * grad_outputs over the run's tiles. A task has some channels and panels of a
// position, whose sums stay in the L2 cache.
void multiply_run(const Plan& plan, std::byte* memory, int64_t tiles, bool first_run) {
  const Panels& panels = plan.panels;
  const int64_t in_c = plan.maps.in_c;
  const int64_t columns = plan.channel_chunks * plan.panel_chunks;
  parallel_for(kPositions * columns, [&](int64_t task, int worker) {
    const int64_t position = task / columns;
    const int64_t channel_chunk = task % columns / plan.panel_chunks, panel_chunk = task % plan.panel_chunks;
    const int64_t first_channel = in_c * channel_chunk / plan.channel_chunks;
    const Strips strips(in_c * (channel_chunk + 1) / plan.channel_chunks - first_channel, strip_rows(panels.widest()));
    const int64_t first_panel = panels.count() * panel_chunk / plan.panel_chunks;
    const int64_t end_panel = panels.count() * (panel_chunk + 1) / plan.panel_chunks;
    const float* inputs =
        reinterpret_cast<const float*>(memory + plan.inputs) + position * plan.input_stride + first_channel;
    const float* grads = reinterpret_cast<const float*>(memory + plan.grads) + position * plan.grad_stride;
    auto* sums = reinterpret_cast<float*>(memory + plan.sums);
    std::byte* scratch = memory + plan.workers + plan.worker_stride * static_cast<size_t>(worker);
    auto** rows = reinterpret_cast<const float**>(scratch);
    auto* channels = reinterpret_cast<float*>(scratch + plan.rows_bytes());
    for (int64_t i = 0; i < tiles; ++i) rows[i] = inputs + i * plan.in_c;
    for (int64_t tile = 0; tile < tiles; tile += kOuterPixels) {
      const int64_t count = smaller(kOuterPixels, tiles - tile);
      pack_channels(rows + tile, count, strips, channels);
      RowFetch fetch(rows + tile + count, smaller(kOuterPixels, tiles - tile - count), strips.channels(),
                     (end_panel - first_panel) * strips.count());
      for (int64_t panel = first_panel; panel < end_panel; ++panel) {
        const int64_t width = panels.width(panel), vector = panels.first_vector(panel);
        multiply_panel({channels, grads + (vector * plan.run_tiles + tile * width) * kLanes, count,
                        sums + ((vector * kPositions + position * width) * in_c + first_channel * width) * kLanes,
                        first_run && tile == 0},
                       strips, panels.width(panel), panels.widest(), [&] { fetch.next(); });
      }
    }
  });
}

void transform_sums(const Plan& plan, const std::byte* memory, float* grad_weight) {
  const Panels& panels = plan.panels;
  const int64_t in_c = plan.maps.in_c, out_c = plan.maps.out_c;
  parallel_for(panels.count() * in_c, [&](int64_t task, int) {
    const int64_t panel = task / in_c, channel = task % in_c;
    const int64_t vector = panels.first_vector(panel), width = panels.width(panel);
    const float* sums =
        reinterpret_cast<const float*>(memory + plan.sums) + (vector * kPositions * in_c + channel * width) * kLanes;
    for (int64_t v = 0; v < width; ++v, sums += kLanes) {
      Vec from[6][6], to[3][3];
      for (int p = 0; p < kPositions; ++p) from[p / 6][p % 6] = load(sums + p * in_c * width * kLanes);
      transform_tile<GradWeightTransform>(from, to);
      const int64_t output = (vector + v) * kLanes;
      const int lanes = static_cast<int>(smaller<int64_t>(kLanes, out_c - output));
      for (int tap = 0; tap < 9; ++tap) {
        store_n(grad_weight + (tap * in_c + channel) * out_c + output, to[tap / 3][tap % 3], lanes);
      }
    }
  });
}

void sum_grad_bias(const WinogradMaps& maps, const float* grad_output, float* grad_bias) {
  const int64_t pixels = maps.batch * maps.out_h * maps.out_w;
  parallel_for(ceil_div(maps.out_c, kLanes), [&](int64_t vector, int) {
    const int lanes = static_cast<int>(smaller<int64_t>(kLanes, maps.out_c - vector * kLanes));
    Vec total = zero();
    for (int64_t first = 0; first < pixels; first += kOuterPixels) {
      Vec sum = zero();
      for (int64_t p = first; p < smaller(pixels, first + kOuterPixels); ++p) {
        sum = sum + load_n(grad_output + p * maps.out_c + vector * kLanes, lanes);
      }
      total = total + sum;
    }
    store_n(grad_bias + vector * kLanes, total, lanes);
  });
}

}  // namespace

void winograd_grad_weight(const ConvGeometry& geometry, const ConvGradWeightArgs& args) {
  const Plan plan(geometry);
  auto* memory = static_cast<std::byte*>(args.workspace);
  auto* zeros = reinterpret_cast<float*>(memory);
  for (int64_t c = 0; c < larger(plan.in_c, plan.out_c); ++c) zeros[c] = 0.0F;
  const int64_t tiles = plan.maps.tiles();
  for (int64_t first = 0; first < tiles; first += plan.run_tiles) {
    const int64_t count = smaller(plan.run_tiles, tiles - first);
    transform_run(plan, args, memory, first, count);
    multiply_run(plan, memory, count, first == 0);
  }
  transform_sums(plan, memory, args.grad_weight);
  if (args.grad_bias != nullptr) sum_grad_bias(plan.maps, args.grad_output, args.grad_bias);
}

size_t winograd_grad_weight_workspace(const ConvGeometry& geometry) { return Plan(geometry).total; }

}  // namespace convoy::kernels::CONVOY_ISA
