// Group norm: per sample, over the pixels and the channels of a group.
#pragma once

#include "graph/op.h"

namespace convoy {

struct GroupNormAttributes {
  int64_t groups = 1;
  float eps = 1e-5F;

  std::string to_string() const;
};

// Inputs: x {N, ..., C}; weight, bias {C}. Outputs: (x - mean) * inv_std * weight + bias; the mean and inv_std of every
// sample's groups, {N, groups}.
class GroupNormOp : public Op {
 public:
  enum Input { kX, kWeight, kBias };
  enum Output { kY, kMean, kInvStd };

  explicit GroupNormOp(const GroupNormAttributes& attributes) : attributes_(attributes) {}

  const GroupNormAttributes& group_norm() const { return attributes_; }

  std::string_view name() const override { return "group_norm"; }
  std::string attributes() const override { return attributes_.to_string(); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{kY, kX}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  GroupNormAttributes attributes_;
};

// Inputs: grad_output, x, mean, inv_std, weight, an addend like x or absent.
// Outputs: the gradients of x (+ addend), of weight and of bias.
class GroupNormGradOp : public Op {
 public:
  enum Input { kGradOutput, kX, kMean, kInvStd, kWeight, kAddend };
  enum Output { kGradX, kGradWeight, kGradBias };

  explicit GroupNormGradOp(const GroupNormAttributes& attributes) : attributes_(attributes) {}

  const GroupNormAttributes& group_norm() const { return attributes_; }

  std::string_view name() const override { return "group_norm_grad"; }
  std::string attributes() const override { return attributes_.to_string(); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return {inputs[kX], inputs[kWeight], inputs[kWeight]};
  }
  std::vector<std::pair<int, int>> in_place() const override {
    return {{kGradX, kAddend}, {kGradX, kGradOutput}, {kGradX, kX}};
  }
  int addend() const override { return kAddend; }
  std::span<const Kernel> kernels() const override;

 private:
  GroupNormAttributes attributes_;
};

}  // namespace convoy
