#include "ops/append.h"
#include "ops/op_case.h"
#include "ops/quantize/quantize.h"

namespace convoy {

std::vector<OpCase> quantize_cases() {
  const auto quantized = [](const std::string& name, const Shape& shape, Quantization quantization) {
    return OpCase{"quantize/" + name,
                  {{shape, -3, 3, false}},
                  [=](Builder, const std::vector<Value>& in) {
                    return std::vector<Value>{append(std::make_shared<QuantizeOp>(quantization), in)};
                  },
                  Mode::inference};
  };
  const auto dequantized = [](const std::string& name, const Shape& shape, Quantization quantization) {
    return OpCase{"dequantize/" + name,
                  {{shape, 0, 255, false, DType::u8}},
                  [=](Builder, const std::vector<Value>& in) {
                    return std::vector<Value>{append(std::make_shared<DequantizeOp>(quantization), in)};
                  },
                  Mode::inference,
                  1e-6};
  };
  return {
      quantized("whole", {2, 3, 5, 16}, {0.021F, 128}),
      quantized("odd", {3, 7, 5, 19}, {0.013F, 0}),
      quantized("saturated", {2, 35}, {0.004F, 255}),
      quantized("tiles", {2, 20011}, {0.025F, 117}),
      quantized("ties", {1, 33}, {2, 3}),
      dequantized("whole", {2, 3, 5, 16}, {0.021F, 128}),
      dequantized("odd", {3, 7, 5, 19}, {0.013F, 255}),
      dequantized("tiles", {2, 20011}, {0.025F, 0}),
  };
}

}  // namespace convoy
