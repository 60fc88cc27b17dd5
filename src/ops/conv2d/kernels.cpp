// Which kernels compute a convolution, in order of preference.
#include "kernels/conv.h"
#include "ops/conv2d/conv2d.h"
#include "ops/reference_kernel.h"

namespace convoy {
namespace {

kernels::ConvGeometry forward_geometry(const NodeSpec& spec) {
  return static_cast<const Conv2dOp&>(spec.op).conv().geometry(spec.inputs[0].shape, spec.outputs[0].shape[-1]);
}

kernels::ConvGeometry grad_input_geometry(const NodeSpec& spec) {
  return static_cast<const Conv2dGradInputOp&>(spec.op).conv().geometry(spec.outputs[0].shape,
                                                                        spec.inputs[0].shape[-1]);
}

kernels::ConvGeometry grad_weight_geometry(const NodeSpec& spec) {
  return static_cast<const Conv2dGradWeightOp&>(spec.op).conv().geometry(spec.inputs[0].shape,
                                                                         spec.inputs[1].shape[-1]);
}

float* output_or_null(const NodeMemory& memory, size_t i) {
  return i < memory.outputs.size() ? memory.output(static_cast<int>(i)) : nullptr;
}

void run_forward(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::conv_kernels().forward(forward_geometry(spec), {.input = memory.input(0),
                                                           .weight = memory.input(1),
                                                           .bias = memory.input(2),
                                                           .addend = memory.input(3),
                                                           .output = memory.output(0),
                                                           .statistics = output_or_null(memory, 1),
                                                           .workspace = memory.workspace});
}

void run_grad_input(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::conv_kernels().grad_input(grad_input_geometry(spec), {.grad_output = memory.input(0),
                                                                 .weight = memory.input(1),
                                                                 .addend = memory.input(2),
                                                                 .grad_input = memory.output(0),
                                                                 .workspace = memory.workspace});
}

void run_grad_weight(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::conv_kernels().grad_weight(grad_weight_geometry(spec), {.input = memory.input(0),
                                                                   .grad_output = memory.input(1),
                                                                   .grad_weight = memory.output(0),
                                                                   .grad_bias = output_or_null(memory, 1),
                                                                   .workspace = memory.workspace});
}

}  // namespace

std::span<const Kernel> Conv2dOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"gemm", nullptr,
       [](const NodeSpec& spec) { return kernels::conv_kernels().forward_workspace(forward_geometry(spec)); },
       run_forward},
      kReferenceKernel,
  };
  return kTable;
}

std::span<const Kernel> Conv2dGradInputOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"gemm", nullptr,
       [](const NodeSpec& spec) { return kernels::conv_kernels().grad_input_workspace(grad_input_geometry(spec)); },
       run_grad_input},
  };
  return kTable;
}

std::span<const Kernel> Conv2dGradWeightOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"gemm", nullptr,
       [](const NodeSpec& spec) { return kernels::conv_kernels().grad_weight_workspace(grad_weight_geometry(spec)); },
       run_grad_weight},
  };
  return kTable;
}

}  // namespace convoy
