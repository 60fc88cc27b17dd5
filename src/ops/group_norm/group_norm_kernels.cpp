// Which kernels compute a group norm.
#include "kernels/group_norm.h"
#include "ops/group_norm/group_norm.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

kernels::GroupNormShape kernel_shape(const Shape& x, int64_t groups) {
  return {.samples = x[0], .pixels = x.elements() / (x[0] * x[-1]), .channels = x[-1], .groups = groups};
}

kernels::GroupNormShape forward_shape(const NodeSpec& spec) {
  return kernel_shape(spec.inputs[GroupNormOp::kX].shape, spec.as<GroupNormOp>().group_norm().groups);
}

kernels::GroupNormShape backward_shape(const NodeSpec& spec) {
  return kernel_shape(spec.inputs[GroupNormGradOp::kX].shape, spec.as<GroupNormGradOp>().group_norm().groups);
}

size_t workspace_bytes(const kernels::GroupNormShape& shape) {
  return static_cast<size_t>(kernels::group_norm_kernels().workspace(shape)) * sizeof(float);
}

void run_forward(const NodeSpec& spec, const NodeMemory& memory) {
  using Op = GroupNormOp;
  kernels::group_norm_kernels().forward({.shape = forward_shape(spec),
                                         .eps = spec.as<Op>().group_norm().eps,
                                         .input = memory.input(Op::kX),
                                         .weight = memory.input(Op::kWeight),
                                         .bias = memory.input(Op::kBias),
                                         .output = memory.output(Op::kY),
                                         .mean = memory.output(Op::kMean),
                                         .inv_std = memory.output(Op::kInvStd),
                                         .workspace = reinterpret_cast<float*>(memory.workspace)});
}

void run_backward(const NodeSpec& spec, const NodeMemory& memory) {
  using Op = GroupNormGradOp;
  kernels::group_norm_kernels().backward({.shape = backward_shape(spec),
                                          .grad_output = memory.input(Op::kGradOutput),
                                          .input = memory.input(Op::kX),
                                          .mean = memory.input(Op::kMean),
                                          .inv_std = memory.input(Op::kInvStd),
                                          .weight = memory.input(Op::kWeight),
                                          .addend = memory.input(Op::kAddend),
                                          .grad_input = memory.output(Op::kGradX),
                                          .grad_weight = memory.output(Op::kGradWeight),
                                          .grad_bias = memory.output(Op::kGradBias),
                                          .workspace = reinterpret_cast<float*>(memory.workspace)});
}

constexpr Kernel kForward[] = {
    {.name = "simd",
     .workspace = [](const NodeSpec& spec) { return workspace_bytes(forward_shape(spec)); },
     .run = run_forward},
};

constexpr Kernel kBackward[] = {
    {.name = "simd",
     .workspace = [](const NodeSpec& spec) { return workspace_bytes(backward_shape(spec)); },
     .run = run_backward},
};

}  // namespace

std::vector<KernelTable> group_norm_kernels() {
  return {{GroupNormOp::kName, kForward}, {GroupNormGradOp::kName, kBackward}};
}

}  // namespace convoy
