// Numbers as bytes, and back: a byte q stands for scale * (q - zero_point).
#pragma once

#include <string>

#include "convoy/op.h"

namespace convoy {

struct Quantization {
  float scale = 0;
  int zero_point = 0;

  // Whether it means something: a finite scale above 0, and a zero point from 0 to 255.
  bool sound() const;
  // "scale=0.5 zero_point=128".
  std::string to_string() const;
  // clamp(x / scale + zero_point, 0, 255), x / scale rounded to the nearest, halves to even, as ONNX's QuantizeLinear;
  // 0 of what is no number.
  double quantize(double x) const;
  double dequantize(double q) const { return static_cast<double>(scale) * (q - zero_point); }

  friend bool operator==(const Quantization&, const Quantization&) = default;
};

// What quantize and dequantize have in common.
class QuantizationOp : public Op {
 public:
  explicit QuantizationOp(Quantization quantization = {}) : quantization_(quantization) {}

  const Quantization& quantization() const { return quantization_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("scale", self.quantization_.scale);
    visit("zero_point", self.quantization_.zero_point, 0);
  }

  std::optional<RowWindow> row_window(int) const override { return RowWindow(); }

 protected:
  std::vector<TensorType> infer_as(std::span<const TensorType> inputs, DType from, DType to) const;

 private:
  Quantization quantization_;
};

// Input: any f32 tensor. Output: its numbers as u8.
class QuantizeOp : public OpOf<QuantizeOp, QuantizationOp> {
 public:
  static constexpr std::string_view kName = "quantize";
  static constexpr Slot kSlots[] = {{"input"}};

  using OpOf::OpOf;

  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return QuantizationOp::infer_as(inputs, DType::f32, DType::u8);
  }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

// Input: any u8 tensor. Output: the numbers that it stands for, as f32.
class DequantizeOp : public OpOf<DequantizeOp, QuantizationOp> {
 public:
  static constexpr std::string_view kName = "dequantize";
  static constexpr Slot kSlots[] = {{"input"}};

  using OpOf::OpOf;

  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return QuantizationOp::infer_as(inputs, DType::u8, DType::f32);
  }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

}  // namespace convoy
