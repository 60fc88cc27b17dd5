// Multiplying a feature map channel by channel.
#pragma once

#include "convoy/op.h"

namespace convoy {

// Inputs: x {N, ..., C}, scale {N, C} (a gate) or {C} (a vector), addend like x or absent. Output: x * scale + addend.
class ChannelScaleOp : public OpOf<ChannelScaleOp> {
 public:
  static constexpr std::string_view kName = "channel_scale";
  static constexpr Slot kSlots[] = {{"input"}, {"scale"}, {"addend", Slot::Kind::optional}};

  template <class Self, class Visitor>
  static void describe(Self&, Visitor&) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}, {0, 2}}; }
  std::optional<RowWindow> row_window(int input) const override {
    return input == 1 ? std::nullopt : std::optional(RowWindow());
  }
  int addend() const override { return 2; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

// Inputs: x, scale, grad_output. Outputs: the gradients of x and of the scale, each where it is wanted.
class ChannelScaleGradOp : public OpOf<ChannelScaleGradOp> {
 public:
  static constexpr std::string_view kName = "channel_scale_grad";
  static constexpr Slot kSlots[] = {{"input"}, {"scale"}, {"grad_output"}};

  explicit ChannelScaleGradOp(bool wants_x = true, bool wants_scale = true)
      : wants_x_(wants_x), wants_scale_(wants_scale) {}

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("wants_x", self.wants_x_, true);
    visit("wants_scale", self.wants_scale_, true);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 2}, {0, 0}}; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  bool wants_x_, wants_scale_;
};

}  // namespace convoy
