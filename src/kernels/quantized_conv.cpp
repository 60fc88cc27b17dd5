#include "kernels/quantized_conv.h"

#include "core/cpu.h"
#include "kernels/dispatch.h"

CONVOY_DISPATCH(QuantizedConvKernels, quantized_conv_kernels)
CONVOY_DISPATCH(QuantizedConvKernels, quantized_depthwise_kernels)

namespace convoy::kernels {

#if defined(CONVOY_HAS_amx)
namespace amx {
const QuantizedConvKernels& tile_quantized_conv_kernels();
const QuantizedConvKernels& dot_quantized_depthwise_kernels();
}  // namespace amx

const QuantizedConvKernels* tile_quantized_conv_kernels() {
  return has_matrix_tiles() ? &amx::tile_quantized_conv_kernels() : nullptr;
}
const QuantizedConvKernels* dot_quantized_depthwise_kernels() {
  return has_matrix_tiles() ? &amx::dot_quantized_depthwise_kernels() : nullptr;
}
#else
const QuantizedConvKernels* tile_quantized_conv_kernels() { return nullptr; }
const QuantizedConvKernels* dot_quantized_depthwise_kernels() { return nullptr; }
#endif

}  // namespace convoy::kernels
