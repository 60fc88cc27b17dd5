// Layer norm over the last axis.
#pragma once

#include "graph/op.h"

namespace convoy {

// Inputs: x {..., C}; weight, bias {C}. Outputs: (x - mean) * inv_std * weight + bias; the mean and inv_std of every
// row, {rows}.
class LayerNormOp : public Op {
 public:
  enum Input { kX, kWeight, kBias };
  enum Output { kY, kMean, kInvStd };

  explicit LayerNormOp(float eps) : eps_(eps) {}

  float eps() const { return eps_; }

  std::string_view name() const override { return "layer_norm"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{kY, kX}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  float eps_;
};

// Inputs: grad_output, x, mean, inv_std, weight, an addend like x or absent.
// Outputs: the gradients of x (+ addend), of weight and of bias.
class LayerNormGradOp : public Op {
 public:
  enum Input { kGradOutput, kX, kMean, kInvStd, kWeight, kAddend };
  enum Output { kGradX, kGradWeight, kGradBias };

  std::string_view name() const override { return "layer_norm_grad"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return {inputs[kX], inputs[kWeight], inputs[kWeight]};
  }
  std::vector<std::pair<int, int>> in_place() const override {
    return {{kGradX, kAddend}, {kGradX, kGradOutput}, {kGradX, kX}};
  }
  int addend() const override { return kAddend; }
  std::span<const Kernel> kernels() const override;
};

}  // namespace convoy
