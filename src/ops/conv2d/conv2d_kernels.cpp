// Which kernels compute a convolution, in order of preference.
#include <fmt/format.h>

#include "kernels/conv.h"
#include "kernels/depthwise.h"
#include "kernels/winograd.h"
#include "ops/conv2d/conv2d.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

kernels::ConvGeometry forward_geometry(const NodeSpec& spec) {
  return spec.as<Conv2dOp>().conv().geometry(spec.inputs[0].shape, spec.outputs[0].shape[-1]);
}

kernels::ConvGeometry grad_input_geometry(const NodeSpec& spec) {
  return spec.as<Conv2dGradInputOp>().conv().geometry(spec.outputs[0].shape, spec.inputs[0].shape[-1]);
}

kernels::ConvGeometry grad_weight_geometry(const NodeSpec& spec) {
  return spec.as<Conv2dGradWeightOp>().conv().geometry(spec.inputs[0].shape, spec.inputs[1].shape[-1]);
}

// A family of kernels: the register-blocked GEMM, or the depthwise ones.
using Family = const kernels::ConvKernels& (*)();
using Geometry = kernels::ConvGeometry (*)(const NodeSpec&);

template <Geometry geometry>
std::string refuse_unless_depthwise(const NodeSpec& spec) {
  const kernels::ConvGeometry g = geometry(spec);
  return kernels::is_depthwise(g) ? "" : fmt::format("{} groups of {} channels", g.groups, g.in_c / g.groups);
}

// Winograd's results are less exact than the direct ones, and still as exact as plain f32 sums.
template <Geometry geometry>
std::string refuse_unless_winograd_pays(const NodeSpec& spec) {
  const kernels::ConvGeometry g = geometry(spec);
  if (!kernels::winograd_takes(g)) return "not 3x3 with stride and dilation 1 and one group";
  return kernels::winograd_is_faster(g, spec.prepared) ? "" : "the direct way is as fast";
}

float* output_or_null(const NodeMemory& memory, size_t i) {
  return i < memory.outputs.size() ? memory.output(static_cast<int>(i)) : nullptr;
}

template <Family family>
constexpr Kernel forward_kernel(std::string_view name, std::string (*refuse)(const NodeSpec&)) {
  return {name,
          refuse,
          [](const NodeSpec& spec) { return family().forward_workspace(forward_geometry(spec)); },
          [](const NodeSpec& spec, const NodeMemory& memory) {
            const Activation activation = spec.as<Conv2dOp>().activation();
            float* activated = activation == Activation::none ? nullptr : memory.output(0);
            family().forward(forward_geometry(spec), {.input = memory.input(0),
                                                      .weight = memory.input(1),
                                                      .bias = memory.input(2),
                                                      .addend = memory.input(3),
                                                      .output = memory.output(0),
                                                      .activation = activation,
                                                      .activated = activated,
                                                      .statistics = output_or_null(memory, 1),
                                                      .prepared_weight = memory.prepared,
                                                      .workspace = memory.workspace});
          },
          false,
          [](const NodeSpec& spec) { return family().prepared_bytes(forward_geometry(spec)); },
          [](const NodeSpec& spec, const View& weight, std::byte* into) {
            family().prepare(forward_geometry(spec), weight.as<const float>(), into);
          }};
}

template <Family family>
constexpr Kernel grad_input_kernel(std::string_view name, std::string (*refuse)(const NodeSpec&)) {
  return {name, refuse, [](const NodeSpec& spec) { return family().grad_input_workspace(grad_input_geometry(spec)); },
          [](const NodeSpec& spec, const NodeMemory& memory) {
            family().grad_input(grad_input_geometry(spec), {.grad_output = memory.input(0),
                                                            .weight = memory.input(1),
                                                            .addend = memory.input(2),
                                                            .grad_input = memory.output(0),
                                                            .workspace = memory.workspace});
          }};
}

template <Family family>
constexpr Kernel grad_weight_kernel(std::string_view name, std::string (*refuse)(const NodeSpec&)) {
  return {name, refuse, [](const NodeSpec& spec) { return family().grad_weight_workspace(grad_weight_geometry(spec)); },
          [](const NodeSpec& spec, const NodeMemory& memory) {
            family().grad_weight(grad_weight_geometry(spec), {.input = memory.input(0),
                                                              .grad_output = memory.input(1),
                                                              .grad_weight = memory.output(0),
                                                              .grad_bias = output_or_null(memory, 1),
                                                              .workspace = memory.workspace});
          }};
}

constexpr Kernel approximate(Kernel kernel) {
  kernel.approximate = true;
  return kernel;
}

constexpr Kernel kForward[] = {
    forward_kernel<kernels::depthwise_kernels>("depthwise", refuse_unless_depthwise<forward_geometry>),
    approximate(forward_kernel<kernels::winograd_kernels>("winograd", refuse_unless_winograd_pays<forward_geometry>)),
    forward_kernel<kernels::conv_kernels>("gemm", nullptr),
};

constexpr Kernel kGradInput[] = {
    grad_input_kernel<kernels::depthwise_kernels>("depthwise", refuse_unless_depthwise<grad_input_geometry>),
    approximate(
        grad_input_kernel<kernels::winograd_kernels>("winograd", refuse_unless_winograd_pays<grad_input_geometry>)),
    grad_input_kernel<kernels::conv_kernels>("gemm", nullptr),
};

constexpr Kernel kGradWeight[] = {
    grad_weight_kernel<kernels::depthwise_kernels>("depthwise", refuse_unless_depthwise<grad_weight_geometry>),
    approximate(
        grad_weight_kernel<kernels::winograd_kernels>("winograd", refuse_unless_winograd_pays<grad_weight_geometry>)),
    grad_weight_kernel<kernels::conv_kernels>("gemm", nullptr),
};

}  // namespace

std::vector<KernelTable> conv2d_kernels() {
  return {{Conv2dOp::kName, kForward},
          {LinearOp::kName, kForward},
          {Conv2dGradInputOp::kName, kGradInput},
          {Conv2dGradWeightOp::kName, kGradWeight}};
}

}  // namespace convoy
