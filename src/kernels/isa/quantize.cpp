#include "kernels/quantize.h"

#include "kernels/isa/quantized_epilogue.h"
#include "kernels/isa/tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

void quantize(ByteScale scale, int64_t count, const float* input, uint8_t* output) {
  parallel_each_register(count, [&](int64_t i, auto part) {
    store_bytes(output + i, to_bytes(part.load(input + i), scale), lanes_of(part));
  });
}

void dequantize(ByteScale scale, int64_t count, const uint8_t* input, float* output) {
  parallel_each_register(count, [&](int64_t i, auto part) {
    part.store(output + i, from_bytes(load_bytes(input + i, lanes_of(part)), scale));
  });
}

}  // namespace

const QuantizeKernels& quantize_kernels() {
  static constexpr QuantizeKernels kKernels{quantize, dequantize};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
