// Multiplying a feature map channel by channel.
#pragma once

#include "graph/op.h"

namespace convoy {

// Inputs: x {N, ..., C}, scale {N, C} (a gate) or {C} (a vector), addend like x or absent. Output: x * scale + addend.
class ChannelScaleOp : public Op {
 public:
  std::string_view name() const override { return "channel_scale"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}, {0, 2}}; }
  int addend() const override { return 2; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;
};

// Inputs: x, scale, grad_output. Outputs: the gradients of x and of the scale, each where it is wanted.
class ChannelScaleGradOp : public Op {
 public:
  ChannelScaleGradOp(bool wants_x, bool wants_scale) : wants_x_(wants_x), wants_scale_(wants_scale) {}

  std::string_view name() const override { return "channel_scale_grad"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 2}, {0, 0}}; }
  std::span<const Kernel> kernels() const override;

 private:
  bool wants_x_, wants_scale_;
};

}  // namespace convoy
