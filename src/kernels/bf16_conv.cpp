#include "kernels/bf16_conv.h"

#include "core/cpu.h"
#include "kernels/dispatch.h"

CONVOY_DISPATCH(Bf16ConvKernels, bf16_depthwise_table)

namespace convoy::kernels {

#if defined(CONVOY_HAS_amx)
namespace amx {
const Bf16ConvKernels& tile_conv_kernels();
}

const Bf16ConvKernels* tile_conv_kernels() { return has_matrix_tiles() ? &amx::tile_conv_kernels() : nullptr; }
#else
const Bf16ConvKernels* tile_conv_kernels() { return nullptr; }
#endif

const Bf16ConvKernels& bf16_depthwise_table();

const Bf16ConvKernels* bf16_depthwise_kernels() {
  const Bf16ConvKernels& table = bf16_depthwise_table();
  return table.forward == nullptr ? nullptr : &table;
}

}  // namespace convoy::kernels
