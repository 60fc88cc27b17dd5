// Layer norm over the last axis.
#pragma once

#include "convoy/op.h"

namespace convoy {

// Inputs: x {..., C}; weight, bias {C}. Outputs: (x - mean) * inv_std * weight + bias; the mean and inv_std of every
// row, {rows}.
class LayerNormOp : public OpOf<LayerNormOp> {
 public:
  static constexpr std::string_view kName = "layer_norm";
  static constexpr Slot kSlots[] = {{"input"}, {"weight"}, {"bias"}};
  enum Input { kX, kWeight, kBias };
  enum Output { kY, kMean, kInvStd };

  explicit LayerNormOp(float eps = 1e-5F) : eps_(eps) {}

  float eps() const { return eps_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("eps", self.eps_, 1e-5F);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{kY, kX}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  float eps_;
};

// Inputs: grad_output, x, mean, inv_std, weight, an addend like x or absent.
// Outputs: the gradients of x (+ addend), of weight and of bias.
class LayerNormGradOp : public OpOf<LayerNormGradOp> {
 public:
  static constexpr std::string_view kName = "layer_norm_grad";
  static constexpr Slot kSlots[] = {{"grad_output"}, {"input"},  {"mean"},
                                    {"inv_std"},     {"weight"}, {"addend", Slot::Kind::optional}};
  enum Input { kGradOutput, kX, kMean, kInvStd, kWeight, kAddend };
  enum Output { kGradX, kGradWeight, kGradBias };

  template <class Self, class Visitor>
  static void describe(Self&, Visitor&) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override {
    return {{kGradX, kAddend}, {kGradX, kGradOutput}, {kGradX, kX}};
  }
  int addend() const override { return kAddend; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

}  // namespace convoy
