#include "ops/quantize/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {

bool Quantization::sound() const { return std::isfinite(scale) && scale > 0 && zero_point >= 0 && zero_point <= 255; }

std::string Quantization::to_string() const { return fmt::format("scale={} zero_point={}", scale, zero_point); }

double Quantization::quantize(double x) const {
  const double steps = x / static_cast<double>(scale);
  return std::isnan(steps) ? 0 : std::clamp(std::nearbyint(steps) + zero_point, 0.0, 255.0);
}

std::vector<TensorType> QuantizationOp::infer_as(std::span<const TensorType> inputs, DType from, DType to) const {
  expect_type(*this, inputs, 0, from);
  if (!quantization_.sound()) {
    throw Error(fmt::format("{}: expected a scale above 0 and a zero point from 0 to 255, got {}", name(),
                            quantization_.to_string()));
  }
  return {{inputs[0].shape, to}};
}

void QuantizeOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                           const StepScalars&) const {
  std::ranges::transform(inputs[0].data, outputs[0].begin(), [this](double x) { return quantization().quantize(x); });
}

void DequantizeOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                             const StepScalars&) const {
  std::ranges::transform(inputs[0].data, outputs[0].begin(), [this](double q) { return quantization().dequantize(q); });
}

std::vector<OpType> quantize_ops() { return {op_type<QuantizeOp>(), op_type<DequantizeOp>()}; }

}  // namespace convoy
