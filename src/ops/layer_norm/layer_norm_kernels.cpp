// Which kernels compute a layer norm.
#include "kernels/layer_norm.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/map_kernels.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

template <class Map>
void run_forward(const NodeSpec& spec, const NodeMemory& memory) {
  using Op = LayerNormOp;
  const Shape& x = spec.inputs[Op::kX].shape;
  kernels::layer_norm_kernels().of<Map>().forward({.rows = x.elements() / x[-1],
                                                   .channels = x[-1],
                                                   .eps = spec.as<Op>().eps(),
                                                   .input = map_input<Map>(memory, Op::kX),
                                                   .weight = memory.input(Op::kWeight),
                                                   .bias = memory.input(Op::kBias),
                                                   .output = map_output<Map>(memory, Op::kY),
                                                   .mean = memory.output(Op::kMean),
                                                   .inv_std = memory.output(Op::kInvStd)});
}

size_t backward_workspace(const NodeSpec& spec) {
  const Shape& x = spec.inputs[LayerNormGradOp::kX].shape;
  return static_cast<size_t>(kernels::layer_norm_kernels().f32.workspace(x.elements() / x[-1], x[-1])) * sizeof(float);
}

template <class Map>
void run_backward(const NodeSpec& spec, const NodeMemory& memory) {
  using Op = LayerNormGradOp;
  const Shape& x = spec.inputs[Op::kX].shape;
  kernels::layer_norm_kernels().of<Map>().backward({.rows = x.elements() / x[-1],
                                                    .channels = x[-1],
                                                    .grad_output = map_input<Map>(memory, Op::kGradOutput),
                                                    .input = map_input<Map>(memory, Op::kX),
                                                    .mean = memory.input(Op::kMean),
                                                    .inv_std = memory.input(Op::kInvStd),
                                                    .weight = memory.input(Op::kWeight),
                                                    .addend = map_input<Map>(memory, Op::kAddend),
                                                    .grad_input = map_output<Map>(memory, Op::kGradX),
                                                    .grad_weight = memory.output(Op::kGradWeight),
                                                    .grad_bias = memory.output(Op::kGradBias),
                                                    .workspace = reinterpret_cast<float*>(memory.workspace)});
}

constexpr Kernel kForward[] = {{.name = "simd", .run = run_forward<float>}, bf16_kernel(run_forward<Bf16>)};
constexpr Kernel kBackward[] = {{.name = "simd", .workspace = backward_workspace, .run = run_backward<float>},
                                bf16_kernel(run_backward<Bf16>, backward_workspace)};

}  // namespace

std::vector<KernelTable> layer_norm_kernels() {
  return {{LayerNormOp::kName, kForward}, {LayerNormGradOp::kName, kBackward}};
}

}  // namespace convoy
