// Layers whose input and weight DequantizeLinear makes floats of: they compute with the bytes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inference/onnx_tracer.h"
#include "ops/quantize/quantize.h"

namespace convoy {

// Whether a QuantizeLinear makes bytes with a sign, as the type of its zero point says.
bool makes_signed_bytes(const OnnxCall& quantize);

// What the bytes of QuantizeLinear and DequantizeLinear stand for, all alike. Those with a sign are kept 128 higher.
Quantization quantization_of(const OnnxCall& call, bool has_sign);

// The bytes that a QuantizeLinear makes of known floats, all by one scale or by one for each place along an axis.
Traced quantized_constant(const OnnxCall& quantize);

// What a quantised layer computes with.
struct QuantizedOperands {
  Traced bytes;               // its input
  Quantization quantization;  // of that
  // Of the weight: whole numbers from -127 to 127 in the order of the model, and above 0 for each output.
  std::vector<float> levels, scales;
  std::string weight, weight_source, scale, scale_source;  // names

  // The variables of the layer; `levels` are in the order inside.
  Value weight_variable(OnnxTracer& tracer, const Shape& shape, std::vector<float> values, FileLayout layout) const;
  Value scale_variable(OnnxTracer& tracer) const;
};

// Those of a node's first two inputs, whose outputs lie along that axis of the weight; none: it computes with floats.
std::optional<QuantizedOperands> quantized_operands(const OnnxCall& layer, size_t out_axis);

}  // namespace convoy
