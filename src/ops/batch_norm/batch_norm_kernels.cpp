// The kernels of batch norm.
#include "kernels/batch_norm.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/map_kernels.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

const BatchNormAttributes& attributes_of(const NodeSpec& spec) { return spec.as<BatchNormOp>().batch_norm(); }

struct Extents {
  int64_t pixels, channels;
};

Extents extents_of(const Shape& x) { return {x.elements() / x[-1], x[-1]}; }

// Floats of the partial statistics that the kernel makes where none are given.
int64_t partial_floats(const NodeSpec& spec) {
  const auto [pixels, channels] = extents_of(spec.inputs[BatchNormOp::kX].shape);
  if (!attributes_of(spec).training || spec.inputs[BatchNormOp::kStatistics].present) return 0;
  const int64_t tile = kernels::norm_tile_pixels(channels);
  return (pixels + tile - 1) / tile * 2 * channels;
}

// Floats of memory for sums over ranks, which begins the workspace; a multiple of 16, so that the rest is aligned, too.
int64_t rank_floats(const World* world, int64_t channels) {
  return world == nullptr ? 0 : ((2 * channels + 1) * 2 + 15) / 16 * 16;
}

kernels::SumOverRanks over_ranks(World* world, const NodeMemory& memory) {
  if (world == nullptr) return {};
  const auto sum = [](void* ranks, double* values, int64_t count) {
    static_cast<World*>(ranks)->sum(std::span(values, static_cast<size_t>(count)));
  };
  return {.sum = sum, .world = world, .values = reinterpret_cast<double*>(memory.workspace)};
}

size_t forward_workspace(const NodeSpec& spec) {
  const auto [pixels, channels] = extents_of(spec.inputs[BatchNormOp::kX].shape);
  return static_cast<size_t>(kernels::batch_norm_kernels().f32.workspace(pixels, channels) + partial_floats(spec) +
                             rank_floats(spec.as<BatchNormOp>().world(), channels)) *
         sizeof(float);
}

template <class Map>
void batch_statistics(const NodeSpec& spec, const NodeMemory& memory, float* partials, float* workspace) {
  using Op = BatchNormOp;
  const kernels::BatchNormKernels<Map>& kernels = kernels::batch_norm_kernels().of<Map>();
  const BatchNormAttributes& attributes = attributes_of(spec);
  const auto [pixels, channels] = extents_of(spec.inputs[Op::kX].shape);
  const bool given = spec.inputs[Op::kStatistics].present;
  if (!given) {
    kernels.statistics({.pixels = pixels,
                        .channels = channels,
                        .input = map_input<Map>(memory, Op::kX),
                        .partials = partials,
                        .workspace = workspace});
  }
  kernels.merge({.pixels = pixels,
                 .channels = channels,
                 .partials = given ? memory.input(Op::kStatistics) : partials,
                 .tile_pixels = given ? attributes.statistics_pixels : kernels::norm_tile_pixels(channels),
                 .eps = attributes.eps,
                 .momentum = attributes.momentum,
                 .mean = memory.output(Op::kMean),
                 .inv_std = memory.output(Op::kInvStd),
                 .running_mean = memory.variable(Op::kRunningMean),
                 .running_var = memory.variable(Op::kRunningVar),
                 .over_ranks = over_ranks(spec.as<Op>().world(), memory)});
}

template <class Map>
void run_forward(const NodeSpec& spec, const NodeMemory& memory) {
  using Op = BatchNormOp;
  const kernels::BatchNormKernels<Map>& kernels = kernels::batch_norm_kernels().of<Map>();
  const BatchNormAttributes& attributes = attributes_of(spec);
  const auto [pixels, channels] = extents_of(spec.inputs[Op::kX].shape);
  float* partials = reinterpret_cast<float*>(memory.workspace) + rank_floats(spec.as<Op>().world(), channels);
  float* workspace = partials + partial_floats(spec);
  if (attributes.training) {
    batch_statistics<Map>(spec, memory, partials, workspace);
  } else {
    kernels.frozen_statistics(channels, attributes.eps, memory.input(Op::kRunningMean), memory.input(Op::kRunningVar),
                              memory.output(Op::kMean), memory.output(Op::kInvStd));
  }
  kernels.forward({.pixels = pixels,
                   .channels = channels,
                   .activation = attributes.activation,
                   .input = map_input<Map>(memory, Op::kX),
                   .residual = map_input<Map>(memory, Op::kResidual),
                   .mean = memory.output(Op::kMean),
                   .inv_std = memory.output(Op::kInvStd),
                   .weight = memory.input(Op::kWeight),
                   .bias = memory.input(Op::kBias),
                   .output = map_output<Map>(memory, Op::kY),
                   .workspace = workspace});
}

size_t apply_workspace(const NodeSpec& spec) {
  const auto [pixels, channels] = extents_of(spec.inputs[BatchNormApplyOp::kX].shape);
  return static_cast<size_t>(kernels::batch_norm_kernels().f32.workspace(pixels, channels)) * sizeof(float);
}

template <class Map>
void run_apply(const NodeSpec& spec, const NodeMemory& memory) {
  using Op = BatchNormApplyOp;
  const auto [pixels, channels] = extents_of(spec.inputs[Op::kX].shape);
  kernels::batch_norm_kernels().of<Map>().forward({.pixels = pixels,
                                                   .channels = channels,
                                                   .activation = spec.as<Op>().activation(),
                                                   .input = map_input<Map>(memory, Op::kX),
                                                   .residual = map_input<Map>(memory, Op::kResidual),
                                                   .mean = memory.input(Op::kMean),
                                                   .inv_std = memory.input(Op::kInvStd),
                                                   .weight = memory.input(Op::kWeight),
                                                   .bias = memory.input(Op::kBias),
                                                   .output = map_output<Map>(memory, 0),
                                                   .workspace = reinterpret_cast<float*>(memory.workspace)});
}

size_t backward_workspace(const NodeSpec& spec) {
  const auto [pixels, channels] = extents_of(spec.inputs[BatchNormGradOp::kX].shape);
  return static_cast<size_t>(kernels::batch_norm_kernels().f32.workspace(pixels, channels) +
                             rank_floats(spec.as<BatchNormGradOp>().world(), channels)) *
         sizeof(float);
}

template <class Map>
void run_backward(const NodeSpec& spec, const NodeMemory& memory) {
  using Op = BatchNormGradOp;
  const BatchNormAttributes& attributes = spec.as<Op>().batch_norm();
  const auto [pixels, channels] = extents_of(spec.inputs[Op::kX].shape);
  kernels::batch_norm_kernels().of<Map>().backward(
      {.pixels = pixels,
       .channels = channels,
       .activation = attributes.activation,
       .frozen = !attributes.training,
       .grad_output = map_input<Map>(memory, Op::kGradOutput),
       .input = map_input<Map>(memory, Op::kX),
       .saved = map_input<Map>(memory, Op::kSaved),
       .mean = memory.input(Op::kMean),
       .inv_std = memory.input(Op::kInvStd),
       .weight = memory.input(Op::kWeight),
       .bias = memory.input(Op::kBias),
       .addend = map_input<Map>(memory, Op::kAddend),
       .grad_input = map_output<Map>(memory, Op::kGradX),
       .grad_residual = spec.inputs[Op::kSaved].present ? map_output<Map>(memory, Op::kGradResidual) : nullptr,
       .grad_weight = memory.output(Op::kGradWeight),
       .grad_bias = memory.output(Op::kGradBias),
       .workspace = reinterpret_cast<float*>(memory.workspace) + rank_floats(spec.as<Op>().world(), channels),
       .over_ranks = over_ranks(spec.as<Op>().world(), memory)});
}

constexpr Kernel kForward[] = {{.name = "simd", .workspace = forward_workspace, .run = run_forward<float>},
                               bf16_kernel(run_forward<Bf16>, forward_workspace)};
constexpr Kernel kApply[] = {{.name = "simd", .workspace = apply_workspace, .run = run_apply<float>},
                             bf16_kernel(run_apply<Bf16>, apply_workspace)};
constexpr Kernel kGrad[] = {{.name = "simd", .workspace = backward_workspace, .run = run_backward<float>},
                            bf16_kernel(run_backward<Bf16>, backward_workspace)};

}  // namespace

std::vector<KernelTable> batch_norm_kernels() {
  return {{BatchNormOp::kName, kForward}, {BatchNormApplyOp::kName, kApply}, {BatchNormGradOp::kName, kGrad}};
}

}  // namespace convoy
