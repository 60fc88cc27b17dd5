// Forward and input gradient as an indirect GEMM: weights packed in panels, the sources of a tile of pixels found
// through a table of addresses (M. Dukhan, "The Indirect Convolution Algorithm", arXiv 1907.02129), so that tiles run
// across the ends of rows and images and padding costs no test in the inner loop.
#include "kernels/conv.h"

#include "core/parallel.h"
#include "kernels/isa/conv_epilogue.h"
#include "kernels/isa/conv_gather.h"
#include "kernels/isa/conv_grad_weight.h"
#include "kernels/isa/conv_microkernel.h"
#include "kernels/isa/conv_pack.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Pixels of a tile at the most.
constexpr int64_t kTablePixels = 384;
using Table = GatherTable<kTablePixels>;

// Tiles are so many pixels or a multiple, which is one of the rows of every microkernel.
constexpr int64_t kWholeRows = 24;
// Channels of the reduction that one pass over a tile takes: the panel's block of weights stays in the L2 cache.
constexpr int64_t kReductionBlock = 512;
// Multiplications that a task should have at least, so that starting it costs nothing beside.
constexpr int64_t kTaskWork = int64_t{1} << 21;
// From so many tasks on threads finish together, whatever each has to do.
constexpr int64_t kTasks = 64;

// How a problem is cut into tasks: `tiles` tiles of `height` pixels, with one of `splits` parts of the panels.
struct Cut {
  int64_t height, tiles, splits;
};

// Pixels that a panel's weights meet while they are in the first cache: as many as have their sources in the second.
int64_t most_height(const Gather& gather) {
  constexpr int64_t kSourceBytes = 192 << 10;
  const int64_t fitting = kSourceBytes / (gather.channels * static_cast<int64_t>(sizeof(float)));
  return smaller(kTablePixels, larger(kTilePixels, fitting / kWholeRows * kWholeRows));
}

// The cut that is expected to take the least time; results do not depend on it. Statistics are of tiles of kTilePixels.
Cut cut_of(const Gather& gather, bool statistics) {
  // In multiplications: of an entry of the table, of a task; and in pixels: what the weights of a panel take to come
  // from the second cache, or from beyond it.
  constexpr double kEntry = 64, kTask = 32000, kNear = 4, kFar = 20;
  constexpr int64_t kNearFloats = 1 << 18;
  const Panels panels{gather.outputs};
  const int64_t columns = gather.groups * panels.count(), taps = larger<int64_t>(1, gather.taps());
  const int64_t column_work = taps * gather.channels * panels.vectors() * kLanes / panels.count();  // of a pixel
  const int64_t most = statistics ? kTilePixels : most_height(gather), fewest = ceil_div(gather.pixels(), most);
  const auto height_of = [&](int64_t tiles) {
    return statistics ? kTilePixels : ceil_div(ceil_div(gather.pixels(), tiles), kWholeRows) * kWholeRows;
  };
  if (fewest >= kTasks) {
    const int64_t height = height_of(fewest);
    const int64_t together = smaller(ceil_div(kTaskWork, height * columns * column_work), fewest / kTasks);
    return {height, larger<int64_t>(1, together), 1};
  }
  const double weights = columns * column_work > kNearFloats ? kFar : kNear;
  Cut best{};
  double least = __builtin_inf();
  for (int64_t wanted = fewest; wanted <= kTasks; wanted += larger<int64_t>(1, wanted / 4)) {
    const int64_t height = height_of(wanted), tiles = ceil_div(gather.pixels(), height);
    const auto pixels = static_cast<double>(smaller(height, gather.pixels()));
    for (int64_t splits = 1; splits <= smaller(columns, kTasks); splits += larger<int64_t>(1, splits / 2)) {
      const double task = kTask + kEntry * pixels * static_cast<double>(taps + 4) +
                          static_cast<double>(ceil_div(columns, splits) * column_work) * (pixels + weights);
      // Some time is lost at the end, when threads wait for the last.
      const double rounds = 0.25 + static_cast<double>(ceil_div(tiles * splits, thread_count()));
      if (rounds * task >= least) continue;
      least = rounds * task;
      best = {height, 1, splits};
    }
    if (statistics || height == kWholeRows) break;
  }
  return best;
}

// What follows the GEMM of a tile, and where it starts from.
struct Epilogue {
  const float* bias = nullptr;
  const float* addend = nullptr;
  float* output = nullptr;
  float* activated = nullptr;
  Activation activation = Activation::none;
  float* statistics = nullptr;

  bool in_registers() const { return activated == output && statistics == nullptr && is_cheap(activation); }
};

// Workspace: a row of zeros, the bias of every panel, the packed weights of every phase, a table for each worker.
struct Workspace {
  size_t zeros, bias, weight, tables, table_stride, total;

  // weight_floats of all phases together; `gather` is any of them, table_bytes the largest of theirs.
  Workspace(const Gather& gather, int64_t weight_floats, size_t table_bytes) {
    zeros = 0;
    bias = align(static_cast<size_t>(larger(gather.source_pitch, gather.channels)) * sizeof(float));
    const int64_t bias_floats = gather.groups * Panels{gather.outputs}.vectors() * kLanes;
    weight = bias + align(static_cast<size_t>(bias_floats) * sizeof(float));
    tables = weight + align(static_cast<size_t>(weight_floats) * sizeof(float));
    table_stride = align(table_bytes);
    total = tables + table_stride * static_cast<size_t>(thread_count());
  }
};

void pack_bias(const Gather& gather, const float* bias, float* packed) {
  const int64_t lanes = Panels{gather.outputs}.vectors() * kLanes;
  for (int64_t group = 0; group < gather.groups; ++group) {
    for (int64_t o = 0; o < lanes; ++o) {
      packed[group * lanes + o] = o < gather.outputs ? bias[group * gather.outputs + o] : 0.0F;
    }
  }
}

// The whole reduction of one panel of one group for a tile, block by block.
void run_panel(const Gather& gather, const Table& table, int64_t height, int64_t pixels, int64_t group, int64_t panel,
               const float* packed, const float* bias, const Epilogue& epilogue) {
  const Panels panels{gather.outputs};
  const int width = panels.width(panel);
  const int64_t vector = group * panels.vectors() + panels.first_vector(panel);
  const int64_t channel = group * gather.outputs + panels.first_vector(panel) * kLanes;
  const int64_t taps = gather.taps();
  PanelBlock block{};
  block.table_stride = kTablePixels;
  block.tile_pixels = pixels;
  block.destinations = table.destinations;
  block.output = epilogue.output + channel;
  block.last_lanes = panels.last_lanes(panel);
  block.initial = epilogue.addend == nullptr ? nullptr : epilogue.addend + channel;
  block.bias = epilogue.bias == nullptr ? nullptr : bias + vector * kLanes;
  if (group == 0 && panel == 0 && taps == 1) block.ahead = height * gather.x.source_step * gather.source_pitch;
  const int64_t pieces = ceil_div(gather.channels, kReductionBlock);
  const int64_t taps_per_block = pieces > 1 ? 1 : kReductionBlock / gather.channels;
  int64_t tap = 0;
  do {
    block.taps = smaller(taps_per_block, taps - tap);
    block.sources = table.sources + tap * kTablePixels;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const int64_t first = gather.channels * piece / pieces;
      block.channels = gather.channels * (piece + 1) / pieces - first;
      block.source_offset = group * gather.channels + first;
      const bool is_last = tap + block.taps == taps && piece + 1 == pieces;
      block.activation = is_last && epilogue.in_registers() ? epilogue.activation : Activation::none;
      block.weight = packed + (vector * taps * gather.channels + (tap * gather.channels + first) * width) * kLanes;
      multiply_tile(block, width, pixels);
      block.initial = block.output;
      block.bias = nullptr;
    }
    tap += taps_per_block;
  } while (tap < taps);
}

// Statistics and activation of a panel that has just been computed.
void finish_panel(const Gather& gather, const Table& table, int64_t tile, int64_t pixels, int64_t group, int64_t panel,
                  const Epilogue& epilogue) {
  const Panels panels{gather.outputs};
  const int64_t channel = group * gather.outputs + panels.first_vector(panel) * kLanes;
  const int64_t channels = (panels.width(panel) - 1) * kLanes + panels.last_lanes(panel);
  const ResultTile result{epilogue.output + channel, table.destinations, pixels, channels};
  if (epilogue.statistics != nullptr) {
    float* sums = epilogue.statistics + tile * 2 * gather.result_pitch() + channel;
    write_statistics(result, sums, sums + gather.result_pitch());
  }
  if (epilogue.activated != nullptr && !epilogue.in_registers()) {
    write_activated(result, epilogue.activation, epilogue.activated + channel);
  }
}

// A task is a run of tiles with a run of panels.
void run_gather(const Gather& gather, const float* source, const Epilogue& epilogue, const Workspace& layout,
                std::byte* workspace, const float* packed) {
  const Panels panels{gather.outputs};
  const int64_t pixels = gather.pixels();
  const Cut cut = cut_of(gather, epilogue.statistics != nullptr);
  const int64_t height = cut.height, tiles_per_task = cut.tiles, splits = cut.splits;
  const int64_t tiles = ceil_div(pixels, height), runs = ceil_div(tiles, tiles_per_task);
  const int64_t columns = gather.groups * panels.count();
  const auto* zeros = reinterpret_cast<const float*>(workspace + layout.zeros);
  const auto* bias = reinterpret_cast<const float*>(workspace + layout.bias);
  parallel_for(runs * splits, [&](int64_t task, int worker) {
    const int64_t run = task / splits;
    const int64_t split = task % splits;
    Table table(gather, workspace + layout.tables + layout.table_stride * static_cast<size_t>(worker));
    for (int64_t tile = run * tiles_per_task; tile < smaller(tiles, (run + 1) * tiles_per_task); ++tile) {
      const int64_t count = smaller(height, pixels - tile * height);
      table.fill(gather, source, zeros, tile * height, count);
      for (int64_t column = columns * split / splits; column < columns * (split + 1) / splits; ++column) {
        const int64_t group = column / panels.count();
        const int64_t panel = column % panels.count();
        run_panel(gather, table, height, count, group, panel, packed, bias, epilogue);
        finish_panel(gather, table, tile, count, group, panel, epilogue);
      }
    }
  });
}

Workspace forward_layout(const ConvGeometry& geometry) {
  const Gather gather = forward_gather(geometry);
  return {gather, packed_floats(gather), Table::bytes(gather)};
}

Workspace grad_input_layout(const ConvGeometry& geometry) {
  int64_t floats = 0;
  size_t table = 0;
  for (int64_t phase = 0; phase < grad_input_phases(geometry); ++phase) {
    const Gather gather = grad_input_gather(geometry, phase);
    floats += packed_floats(gather);
    table = larger(table, Table::bytes(gather));
  }
  return {grad_input_gather(geometry, 0), floats, table};
}

void clear_zeros(const Workspace& layout, std::byte* workspace) {
  auto* zeros = reinterpret_cast<float*>(workspace + layout.zeros);
  for (size_t i = 0; i < (layout.bias - layout.zeros) / sizeof(float); ++i) zeros[i] = 0.0F;
}

WeightView forward_weight(const ConvGeometry& geometry, const Gather& gather, const float* weight) {
  return {
      weight, geometry.out_c, gather.channels * geometry.out_c, gather.outputs, gather.windows ? 1 : geometry.kernel_w,
      false};
}

void conv_forward(const ConvGeometry& geometry, const ConvForwardArgs& args) {
  const Gather gather = forward_gather(geometry);
  const Workspace layout = forward_layout(geometry);
  auto* workspace = static_cast<std::byte*>(args.workspace);
  clear_zeros(layout, workspace);
  if (args.bias != nullptr) pack_bias(gather, args.bias, reinterpret_cast<float*>(workspace + layout.bias));
  const auto* packed = static_cast<const float*>(args.prepared_weight);
  if (packed == nullptr) {
    auto* own = reinterpret_cast<float*>(workspace + layout.weight);
    pack_weights(gather, forward_weight(geometry, gather, args.weight), own);
    packed = own;
  }
  const Epilogue epilogue{args.bias, args.addend, args.output, args.activated, args.activation, args.statistics};
  run_gather(gather, args.input, epilogue, layout, workspace, packed);
}

void conv_grad_input(const ConvGeometry& geometry, const ConvGradInputArgs& args) {
  const Workspace layout = grad_input_layout(geometry);
  auto* workspace = static_cast<std::byte*>(args.workspace);
  clear_zeros(layout, workspace);
  auto* packed = reinterpret_cast<float*>(workspace + layout.weight);
  for (int64_t phase = 0; phase < grad_input_phases(geometry); ++phase) {
    const Gather gather = grad_input_gather(geometry, phase);
    if (gather.pixels() == 0) continue;
    const WeightView view{args.weight,     geometry.out_c,    gather.outputs * geometry.out_c,
                          gather.channels, geometry.kernel_w, true};
    pack_weights(gather, view, packed);
    Epilogue epilogue;
    epilogue.addend = args.addend;
    epilogue.output = args.grad_input;
    run_gather(gather, args.grad_output, epilogue, layout, workspace, packed);
    packed += packed_floats(gather);
  }
}

size_t conv_forward_workspace(const ConvGeometry& geometry) { return forward_layout(geometry).total; }
size_t conv_grad_input_workspace(const ConvGeometry& geometry) { return grad_input_layout(geometry).total; }

size_t conv_prepared_bytes(const ConvGeometry& geometry) {
  return static_cast<size_t>(packed_floats(forward_gather(geometry))) * sizeof(float);
}

void conv_prepare(const ConvGeometry& geometry, const float* weight, void* into) {
  const Gather gather = forward_gather(geometry);
  pack_weights(gather, forward_weight(geometry, gather, weight), static_cast<float*>(into));
}

}  // namespace

const ConvKernels& conv_kernels() {
  static constexpr ConvKernels kKernels{conv_forward,
                                        conv_grad_input,
                                        conv_grad_weight,
                                        conv_forward_workspace,
                                        conv_grad_input_workspace,
                                        conv_grad_weight_workspace,
                                        conv_prepared_bytes,
                                        conv_prepare};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
