// Which kernels compute a convolution, in order of preference.
#include <fmt/format.h>

#include "kernels/bf16_conv.h"
#include "kernels/conv.h"
#include "kernels/depthwise.h"
#include "kernels/winograd.h"
#include "ops/conv2d/conv2d.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

kernels::ConvGeometry forward_geometry(const NodeSpec& spec) { return spec.as<Conv2dOp>().conv().geometry(spec); }

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

// Kernels of maps of brain floats, but for the images that a network begins with.
using Bf16Family = const kernels::Bf16ConvKernels* (*)();
constexpr DType kBf16Types[] = {DType::bf16, DType::f32};

// Whether a map is present, and of floats.
bool is_wide(const TensorType& type) { return type.present && type.dtype == DType::f32; }

std::string refuse_unless_tiles(const kernels::ConvGeometry& g) {
  if (kernels::tile_conv_kernels() == nullptr) return "the instruction set in use has no matrix tiles";
  return kernels::is_depthwise(g) ? "depthwise" : "";
}

std::string refuse_unless_bf16_depthwise(const kernels::ConvGeometry& g, const TensorType& input) {
  if (kernels::bf16_depthwise_kernels() == nullptr) return "this instruction set has none";
  if (is_wide(input)) return "an input of F32";
  return kernels::is_depthwise(g) ? "" : fmt::format("{} groups of {} channels", g.groups, g.in_c / g.groups);
}

template <Bf16Family family>
std::string refuse_family(const kernels::ConvGeometry& g, const TensorType& input) {
  return family == kernels::tile_conv_kernels ? refuse_unless_tiles(g) : refuse_unless_bf16_depthwise(g, input);
}

template <class T>
T* of_type(const View& view) {
  return view.dtype == ElementType<std::remove_const_t<T>>::value ? view.as<T>() : nullptr;
}

template <Bf16Family family>
constexpr Kernel bf16_forward_kernel(std::string_view name) {
  return {.name = name,
          .refuse = [](const NodeSpec& spec) -> std::string {
            if (is_wide(spec.outputs[0]) || is_wide(spec.inputs[3])) return "an output or addend of F32";
            if (!is_wide(spec.inputs[1])) return "a weight of BF16";
            return refuse_family<family>(forward_geometry(spec), spec.inputs[0]);
          },
          .workspace = [](const NodeSpec& spec) { return family()->forward_workspace(forward_geometry(spec)); },
          .run =
              [](const NodeSpec& spec, const NodeMemory& memory) {
                family()->forward(forward_geometry(spec), {.input = of_type<const Bf16>(memory.inputs[0]),
                                                           .wide_input = of_type<const float>(memory.inputs[0]),
                                                           .weight = memory.input(1),
                                                           .bias = memory.input(2),
                                                           .addend = of_type<const Bf16>(memory.inputs[3]),
                                                           .output = memory.outputs[0].as<Bf16>(),
                                                           .activation = spec.as<Conv2dOp>().activation(),
                                                           .statistics = output_or_null(memory, 1),
                                                           .prepared_weight = memory.prepared,
                                                           .workspace = memory.workspace});
              },
          .prepared_bytes = [](const NodeSpec& spec) { return family()->prepared_bytes(forward_geometry(spec)); },
          .prepare = [](const NodeSpec& spec, const View& weight,
                        std::byte* into) { family()->prepare(forward_geometry(spec), weight.as<const float>(), into); },
          .accepts = kBf16Types};
}

template <Bf16Family family>
constexpr Kernel bf16_grad_input_kernel(std::string_view name) {
  return {.name = name,
          .refuse = [](const NodeSpec& spec) -> std::string {
            if (is_wide(spec.inputs[0]) || is_wide(spec.inputs[2]) || is_wide(spec.outputs[0])) return "a map of F32";
            if (!is_wide(spec.inputs[1])) return "a weight of BF16";
            return refuse_family<family>(grad_input_geometry(spec), spec.inputs[0]);
          },
          .workspace = [](const NodeSpec& spec) { return family()->grad_input_workspace(grad_input_geometry(spec)); },
          .run =
              [](const NodeSpec& spec, const NodeMemory& memory) {
                family()->grad_input(grad_input_geometry(spec), {.grad_output = memory.inputs[0].as<const Bf16>(),
                                                                 .weight = memory.input(1),
                                                                 .addend = of_type<const Bf16>(memory.inputs[2]),
                                                                 .grad_input = memory.outputs[0].as<Bf16>(),
                                                                 .workspace = memory.workspace});
              },
          .accepts = kBf16Types};
}

template <Bf16Family family>
constexpr Kernel bf16_grad_weight_kernel(std::string_view name) {
  return {.name = name,
          .refuse = [](const NodeSpec& spec) -> std::string {
            if (is_wide(spec.inputs[1])) return "a gradient of F32";
            return refuse_family<family>(grad_weight_geometry(spec), spec.inputs[0]);
          },
          .workspace = [](const NodeSpec& spec) { return family()->grad_weight_workspace(grad_weight_geometry(spec)); },
          .run =
              [](const NodeSpec& spec, const NodeMemory& memory) {
                family()->grad_weight(grad_weight_geometry(spec), {.input = of_type<const Bf16>(memory.inputs[0]),
                                                                   .wide_input = of_type<const float>(memory.inputs[0]),
                                                                   .grad_output = memory.inputs[1].as<const Bf16>(),
                                                                   .grad_weight = memory.output(0),
                                                                   .grad_bias = output_or_null(memory, 1),
                                                                   .workspace = memory.workspace});
              },
          .accepts = kBf16Types};
}

constexpr Kernel kForward[] = {
    bf16_forward_kernel<kernels::tile_conv_kernels>("tiles"),
    bf16_forward_kernel<kernels::bf16_depthwise_kernels>("depthwise bf16"),
    forward_kernel<kernels::depthwise_kernels>("depthwise", refuse_unless_depthwise<forward_geometry>),
    approximate(forward_kernel<kernels::winograd_kernels>("winograd", refuse_unless_winograd_pays<forward_geometry>)),
    forward_kernel<kernels::conv_kernels>("gemm", nullptr),
};

constexpr Kernel kGradInput[] = {
    bf16_grad_input_kernel<kernels::tile_conv_kernels>("tiles"),
    bf16_grad_input_kernel<kernels::bf16_depthwise_kernels>("depthwise bf16"),
    grad_input_kernel<kernels::depthwise_kernels>("depthwise", refuse_unless_depthwise<grad_input_geometry>),
    approximate(
        grad_input_kernel<kernels::winograd_kernels>("winograd", refuse_unless_winograd_pays<grad_input_geometry>)),
    grad_input_kernel<kernels::conv_kernels>("gemm", nullptr),
};

constexpr Kernel kGradWeight[] = {
    bf16_grad_weight_kernel<kernels::tile_conv_kernels>("tiles"),
    bf16_grad_weight_kernel<kernels::bf16_depthwise_kernels>("depthwise bf16"),
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
