// Which kernels compute a quantised convolution, in order of preference.
#include <fmt/format.h>

#include "kernels/quantized_conv.h"
#include "ops/op_list.h"
#include "ops/quantized_conv2d/quantized_conv2d.h"

namespace convoy {
namespace {

using Conv = QuantizedConv2dOp;
using Family = const kernels::QuantizedConvKernels& (*)();

constexpr DType kTypes[] = {DType::f32, DType::u8, DType::i8};

kernels::ConvGeometry geometry(const NodeSpec& spec) { return spec.as<Conv>().conv().geometry(spec); }

std::string refuse_unless_depthwise(const NodeSpec& spec) {
  const kernels::ConvGeometry g = geometry(spec);
  return kernels::is_depthwise(g) ? "" : fmt::format("{} groups of {} channels", g.groups, g.in_c / g.groups);
}

std::string refuse_unless_tiles(const NodeSpec&) {
  return kernels::tile_quantized_conv_kernels() == nullptr ? "the instruction set in use has no matrix tiles" : "";
}

constexpr const char* kNoDot = "this processor has no dot product of four bytes in the instruction set in use";

std::string refuse_unless_dot(const NodeSpec&) {
  return kernels::dot_quantized_conv_kernels() == nullptr ? kNoDot : "";
}

std::string refuse_unless_dot_and_depthwise(const NodeSpec& spec) {
  return kernels::dot_quantized_depthwise_kernels() == nullptr ? kNoDot : refuse_unless_depthwise(spec);
}

// Where they are not refused.
const kernels::QuantizedConvKernels& tile_kernels() { return *kernels::tile_quantized_conv_kernels(); }
const kernels::QuantizedConvKernels& dot_kernels() { return *kernels::dot_quantized_conv_kernels(); }
const kernels::QuantizedConvKernels& dot_depthwise_kernels() { return *kernels::dot_quantized_depthwise_kernels(); }

kernels::ByteScale byte_scale(const Quantization& quantization) {
  return {.scale = quantization.scale, .zero_point = quantization.zero_point};
}

// The tensor where it is present and of that type.
template <class T>
T* find(const View& view) {
  const bool found = view.data != nullptr && view.dtype == ElementType<std::remove_const_t<T>>::value;
  return found ? view.as<T>() : nullptr;
}

template <Family family>
void run(const NodeSpec& spec, const NodeMemory& memory) {
  const QuantizedLayer& layer = spec.as<Conv>().layer();
  const View &addend = memory.inputs[Conv::kAddend], &output = memory.outputs[0];
  family().forward(geometry(spec), {.input = memory.inputs[Conv::kX].as<const uint8_t>(),
                                    .in = byte_scale(layer.input),
                                    .weight = memory.inputs[Conv::kWeight].as<const int8_t>(),
                                    .weight_scale = memory.input(Conv::kWeightScale),
                                    .bias = memory.input(Conv::kBias),
                                    .addend = find<const float>(addend),
                                    .byte_addend = find<const uint8_t>(addend),
                                    .addend_scale = byte_scale(layer.addend),
                                    .addend_last = layer.addend_last,
                                    .activation = layer.activation,
                                    .output = find<float>(output),
                                    .byte_output = find<uint8_t>(output),
                                    .out = byte_scale(layer.output),
                                    .prepared_weight = memory.prepared,
                                    .workspace = memory.workspace});
}

template <Family family>
constexpr Kernel kernel(std::string_view name, std::string (*refuse)(const NodeSpec&)) {
  return {.name = name,
          .refuse = refuse,
          .workspace = [](const NodeSpec& spec) { return family().workspace(geometry(spec)); },
          .run = run<family>,
          .prepared_bytes = [](const NodeSpec& spec) { return family().prepared_bytes(geometry(spec)); },
          .prepare = [](const NodeSpec& spec, const View& weight,
                        std::byte* into) { family().prepare(geometry(spec), weight.as<const int8_t>(), into); },
          .accepts = kTypes};
}

constexpr Kernel kTable[] = {
    kernel<dot_depthwise_kernels>("depthwise dot", refuse_unless_dot_and_depthwise),
    kernel<kernels::quantized_depthwise_kernels>("depthwise", refuse_unless_depthwise),
    kernel<tile_kernels>("tiles", refuse_unless_tiles),
    kernel<dot_kernels>("dot", refuse_unless_dot),
    kernel<kernels::quantized_conv_kernels>("gemm", nullptr),
};

}  // namespace

std::vector<KernelTable> quantized_conv2d_kernels() {
  return {{QuantizedConv2dOp::kName, kTable}, {QuantizedLinearOp::kName, kTable}};
}

}  // namespace convoy
