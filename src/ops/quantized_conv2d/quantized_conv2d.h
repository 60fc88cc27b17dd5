// Two-dimensional convolution of bytes, with exact sums of integers.
#pragma once

#include <limits>

#include "convoy/activation.h"
#include "ops/conv2d/conv2d.h"
#include "ops/quantize/quantize.h"

namespace convoy {

// Of a quantised layer: what its bytes stand for (ops/quantize/quantize.h). An addend or an output without a scale is
// f32.
struct QuantizedLayer {
  Quantization input = {}, addend = {}, output = {};
  Activation activation = Activation::none;
  bool addend_last = false;  // what is added is not activated

  bool addend_is_quantized() const { return addend != Quantization{}; }
  bool output_is_quantized() const { return output != Quantization{}; }
};

// Inputs: input u8; weight i8, as that of conv2d, values -127..127; weight_scale f32 {out}; bias f32 {out} or absent;
// addend like the output, of u8 or f32, or absent. Output, u8 or f32: activation(in_scale * weight_scale * sum((input -
// in_zero_point) * weight) + bias + addend), or the addend behind the activation. Padding counts as real zeros. It only
// infers: there is no gradient.
class QuantizedConv2dOp : public OpOf<QuantizedConv2dOp> {
 public:
  static constexpr std::string_view kName = "quantized_conv2d";
  static constexpr Slot kSlots[] = {
      {"input"}, {"weight"}, {"weight_scale"}, {"bias", Slot::Kind::optional}, {"addend", Slot::Kind::optional}};
  enum Input { kX, kWeight, kWeightScale, kBias, kAddend };
  // Products of a byte and a weight, at most, that a sum of 32 bits holds.
  static constexpr int64_t kMostProducts = std::numeric_limits<int32_t>::max() / (255 * 127);

  explicit QuantizedConv2dOp(ConvAttributes attributes = {}, const QuantizedLayer& layer = {})
      : attributes_(attributes), layer_(layer) {}

  const ConvAttributes& conv() const { return attributes_; }
  const QuantizedLayer& layer() const { return layer_; }
  // The same convolution as such a layer.
  virtual std::shared_ptr<const QuantizedConv2dOp> as(const QuantizedLayer& layer) const;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    ConvAttributes::describe(self.attributes_, visit);
    describe_layer(self, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override;
  std::optional<RowWindow> row_window(int input) const override;
  int addend() const override;
  std::shared_ptr<const Op> with_activation(Activation function) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
  int64_t multiply_adds(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const override;

 protected:
  template <class Self, class Visitor>
  static void describe_layer(Self& self, Visitor& visit) {
    visit("in_scale", self.layer_.input.scale);
    visit("in_zero_point", self.layer_.input.zero_point, 0);
    visit("addend_scale", self.layer_.addend.scale, 0.0F);
    visit("addend_zero_point", self.layer_.addend.zero_point, 0);
    visit("activation", self.layer_.activation, Activation::none);
    visit("addend_last", self.layer_.addend_last, false);
    visit("out_scale", self.layer_.output.scale, 0.0F);
    visit("out_zero_point", self.layer_.output.zero_point, 0);
  }

  ConvAttributes attributes_;
  QuantizedLayer layer_;
};

// A matrix product per row, as LinearOp.
class QuantizedLinearOp : public OpOf<QuantizedLinearOp, QuantizedConv2dOp> {
 public:
  static constexpr std::string_view kName = "quantized_linear";

  explicit QuantizedLinearOp(const QuantizedLayer& layer = {}) : OpOf({}, layer) {}

  std::shared_ptr<const QuantizedConv2dOp> as(const QuantizedLayer& layer) const override;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    describe_layer(self, visit);
  }
};

}  // namespace convoy
