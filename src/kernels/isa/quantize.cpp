#include "kernels/quantize.h"

#include "kernels/isa/quantized_epilogue.h"
#include "kernels/isa/tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

void quantize(ByteScale scale, int64_t count, const float* input, uint8_t* output) {
  const ByteRegister to(scale);
  parallel_each_register(count,
                         [&](int64_t i, auto part) { store_bytes(output + i, to.bytes(part.load(input + i)), part); });
}

void dequantize(ByteScale scale, int64_t count, const uint8_t* input, float* output) {
  const ByteRegister from(scale);
  parallel_each_register(
      count, [&](int64_t i, auto part) { part.store(output + i, from.numbers(load_bytes(input + i, part))); });
}

}  // namespace

const QuantizeKernels& quantize_kernels() {
  static constexpr QuantizeKernels kKernels{quantize, dequantize};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
