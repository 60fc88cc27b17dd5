// Convolution of bytes by weights of i8: dense, grouped and depthwise kernels are called alike.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convoy/activation.h"
#include "kernels/conv_args.h"
#include "kernels/quantize.h"

namespace convoy::kernels {

// output = activation(in.scale * weight_scale * sum((input - in.zero_point) * weight) + bias + addend), or
// activation(...) + addend; taps outside the input count as zeros. Sums are exact: 255 * 127 times the products of one
// are to fit into 32 bits.
struct QuantizedConvArgs {
  const uint8_t* input = nullptr;
  ByteScale in = {};
  const int8_t* weight = nullptr;
  const float* weight_scale = nullptr;  // [out_c]
  const float* bias = nullptr;          // [out_c], or null
  // Shape of the output, may be the output itself where that is of the same type; one of them or none.
  const float* addend = nullptr;
  const uint8_t* byte_addend = nullptr;
  ByteScale addend_scale = {};
  bool addend_last = false;  // behind the activation
  Activation activation = Activation::none;
  // One of them.
  float* output = nullptr;
  uint8_t* byte_output = nullptr;
  ByteScale out = {};
  const void* prepared_weight = nullptr;  // what the kernels' prepare made of `weight`; or null
  void* workspace = nullptr;              // of the size that the kernels' workspace function says, aligned to 64 bytes
};

// As ConvKernels (kernels/conv.h). Results are the same for every instruction set, bit for bit, but for what an
// activation that takes exponentials rounds.
struct QuantizedConvKernels {
  void (*forward)(const ConvGeometry&, const QuantizedConvArgs&);
  size_t (*workspace)(const ConvGeometry&);
  size_t (*prepared_bytes)(const ConvGeometry&);
  void (*prepare)(const ConvGeometry&, const int8_t* weight, void* into);
};

const QuantizedConvKernels& quantized_conv_kernels();
// On matrix tiles; null where the set in use has none.
const QuantizedConvKernels* tile_quantized_conv_kernels();
// By the dot product of four bytes (VNNI); null where the processor has none in the set in use.
const QuantizedConvKernels* dot_quantized_conv_kernels();
// Of depthwise convolutions alone.
const QuantizedConvKernels& quantized_depthwise_kernels();
// By AVX-512's dot product of four bytes; null where the processor or the set in use has none.
const QuantizedConvKernels* dot_quantized_depthwise_kernels();

}  // namespace convoy::kernels
