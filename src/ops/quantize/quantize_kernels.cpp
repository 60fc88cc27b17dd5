// The kernels of rounding to bytes.
#include "kernels/quantize.h"
#include "ops/op_list.h"
#include "ops/quantize/quantize.h"

namespace convoy {
namespace {

constexpr DType kBytes[] = {DType::f32, DType::u8};

kernels::ByteScale byte_scale(const NodeSpec& spec) {
  const Quantization& quantization = spec.as<QuantizationOp>().quantization();
  return {.scale = quantization.scale, .zero_point = quantization.zero_point};
}

constexpr Kernel kQuantize[] = {{
    .name = "simd",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::quantize_kernels().quantize(byte_scale(spec), spec.inputs[0].shape.elements(), memory.input(0),
                                               memory.outputs[0].as<uint8_t>());
        },
    .accepts = kBytes,
}};

constexpr Kernel kDequantize[] = {{
    .name = "simd",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::quantize_kernels().dequantize(byte_scale(spec), spec.inputs[0].shape.elements(),
                                                 memory.inputs[0].as<const uint8_t>(), memory.output(0));
        },
    .accepts = kBytes,
}};

}  // namespace

std::vector<KernelTable> quantize_kernels() {
  return {{QuantizeOp::kName, kQuantize}, {DequantizeOp::kName, kDequantize}};
}

}  // namespace convoy
