#include "kernels/quantized_conv.h"

#include "core/cpu.h"
#include "kernels/dispatch.h"

CONVOY_DISPATCH(QuantizedConvKernels, quantized_conv_kernels)
CONVOY_DISPATCH(QuantizedConvKernels, quantized_depthwise_kernels)

namespace convoy::kernels {

namespace avx2vnni {
const QuantizedConvKernels& quantized_conv_kernels();
}
namespace avx512vnni {
const QuantizedConvKernels& quantized_conv_kernels();
const QuantizedConvKernels& dot_quantized_depthwise_kernels();
}  // namespace avx512vnni
namespace amx {
const QuantizedConvKernels& tile_quantized_conv_kernels();
}

const QuantizedConvKernels* tile_quantized_conv_kernels() {
#if defined(CONVOY_HAS_amx)
  if (has_matrix_tiles()) return &amx::tile_quantized_conv_kernels();
#endif
  return nullptr;
}

const QuantizedConvKernels* dot_quantized_conv_kernels() {
#if defined(CONVOY_HAS_avx512vnni)
  if (has_avx512_vnni()) return &avx512vnni::quantized_conv_kernels();
#endif
#if defined(CONVOY_HAS_avx2vnni)
  if (has_avx2_vnni()) return &avx2vnni::quantized_conv_kernels();
#endif
  return nullptr;
}

const QuantizedConvKernels* dot_quantized_depthwise_kernels() {
#if defined(CONVOY_HAS_avx512vnni)
  if (has_avx512_vnni()) return &avx512vnni::dot_quantized_depthwise_kernels();
#endif
  return nullptr;
}

}  // namespace convoy::kernels
