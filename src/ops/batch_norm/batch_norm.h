// Batch norm, with the residual add and the activation that follow it.
#pragma once

#include <string>

#include "convoy/activation.h"
#include "graph/op.h"

namespace convoy {

struct BatchNormAttributes {
  float eps = 1e-5F;
  float momentum = 0.1F;
  bool training = false;                     // the batch's statistics, and update the running ones
  Activation activation = Activation::none;  // applied last
  int64_t statistics_pixels = 0;             // in a tile of the statistics input

  std::string to_string() const;
};

// Inputs: x {..., C}; weight, bias, running_mean, running_var {C}; a residual like x, or absent; partial statistics
// {tiles, 2, C} of x (kernels/batch_norm.h), or absent.
// Outputs: activation((x - mean) * inv_std * weight + bias + residual); the mean and inv_std {C} that were used.
class BatchNormOp : public Op {
 public:
  enum Input { kX, kWeight, kBias, kRunningMean, kRunningVar, kResidual, kStatistics };
  enum Output { kY, kMean, kInvStd };

  explicit BatchNormOp(const BatchNormAttributes& attributes) : attributes_(attributes) {}

  const BatchNormAttributes& batch_norm() const { return attributes_; }

  std::string_view name() const override { return "batch_norm"; }
  std::string attributes() const override { return attributes_.to_string(); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  bool mutates(int input) const override {
    return attributes_.training && (input == kRunningMean || input == kRunningVar);
  }
  std::vector<std::pair<int, int>> in_place() const override { return {{kY, kX}, {kY, kResidual}}; }
  int addend() const override { return attributes_.activation == Activation::none ? kResidual : -1; }
  std::shared_ptr<const Op> with_activation(Activation function) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  BatchNormAttributes attributes_;
};

// Inputs: grad_output, x, mean, inv_std, weight, bias; where a residual was added before an activation, the output
// (derivative_from_output) or else the residual, or absent; an addend like x, or absent.
// Outputs: the gradients of x (+ addend), of weight, of bias, and of the residual where input kSaved is present.
class BatchNormGradOp : public Op {
 public:
  enum Input { kGradOutput, kX, kMean, kInvStd, kWeight, kBias, kSaved, kAddend };
  enum Output { kGradX, kGradWeight, kGradBias, kGradResidual };

  explicit BatchNormGradOp(const BatchNormAttributes& attributes) : attributes_(attributes) {}

  const BatchNormAttributes& batch_norm() const { return attributes_; }

  std::string_view name() const override { return "batch_norm_grad"; }
  std::string attributes() const override { return attributes_.to_string(); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override {
    return {
        {kGradResidual, kGradOutput}, {kGradX, kAddend}, {kGradX, kGradOutput}, {kGradX, kX}, {kGradResidual, kSaved}};
  }
  int addend() const override { return kAddend; }
  std::span<const Kernel> kernels() const override;

 private:
  BatchNormAttributes attributes_;
};

}  // namespace convoy
