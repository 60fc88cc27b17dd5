// Batch norm, with the residual add and the activation that follow it.
#pragma once

#include "convoy/op.h"
#include "core/world.h"

namespace convoy {

struct BatchNormAttributes {
  float eps = 1e-5F;
  float momentum = 0.1F;
  bool training = false;                     // the batch's statistics, and update the running ones
  Activation activation = Activation::none;  // applied last
  int64_t statistics_pixels = 0;             // in a tile of the statistics input

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("eps", self.eps);
    visit("training", self.training, false);
    visit("momentum", self.momentum);
    visit("statistics_pixels", self.statistics_pixels, 0);
    visit("activation", self.activation, Activation::none);
  }
};

// Inputs: x {..., C}; weight, bias, running_mean, running_var {C}; a residual like x, or absent; partial statistics
// {tiles, 2, C} of x (kernels/batch_norm.h), or absent.
// Outputs: activation((x - mean) * inv_std * weight + bias + residual); the mean and inv_std {C} that were used.
class BatchNormOp : public OpOf<BatchNormOp> {
 public:
  static constexpr std::string_view kName = "batch_norm";
  static constexpr Slot kSlots[] = {{"input"},
                                    {"weight"},
                                    {"bias"},
                                    {"running_mean"},
                                    {"running_var"},
                                    {"residual", Slot::Kind::optional},
                                    {"statistics", Slot::Kind::optional}};

  enum Input { kX, kWeight, kBias, kRunningMean, kRunningVar, kResidual, kStatistics };
  enum Output { kY, kMean, kInvStd };

  // world: of ranks that have a part of the batch each, whose statistics are those of all; null: there are no others.
  explicit BatchNormOp(const BatchNormAttributes& attributes = {}, World* world = nullptr)
      : attributes_(attributes), world_(world) {}

  const BatchNormAttributes& batch_norm() const { return attributes_; }
  World* world() const { return world_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    BatchNormAttributes::describe(self.attributes_, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  bool mutates(int input) const override {
    return attributes_.training && (input == kRunningMean || input == kRunningVar);
  }
  std::vector<std::pair<int, int>> in_place() const override { return {{kY, kX}, {kY, kResidual}}; }
  int addend() const override { return attributes_.activation == Activation::none ? kResidual : -1; }
  std::shared_ptr<const Op> with_activation(Activation function) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  BatchNormAttributes attributes_;
  World* world_;
};

// Inputs: x {..., C}; weight, bias, mean, inv_std {C}; a residual like x, or absent.
// Output: that of a batch norm which used this mean and inv_std, the same bits again.
class BatchNormApplyOp : public OpOf<BatchNormApplyOp> {
 public:
  static constexpr std::string_view kName = "batch_norm_apply";
  static constexpr Slot kSlots[] = {{"input"}, {"weight"},  {"bias"},
                                    {"mean"},  {"inv_std"}, {"residual", Slot::Kind::optional}};

  enum Input { kX, kWeight, kBias, kMean, kInvStd, kResidual };

  explicit BatchNormApplyOp(Activation activation = Activation::none) : activation_(activation) {}

  Activation activation() const { return activation_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("activation", self.activation_, Activation::none);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, kX}, {0, kResidual}}; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  Activation activation_;
};

// Inputs: grad_output, x, mean, inv_std, weight, bias; where a residual was added before an activation, the output
// (derivative_from_output) or else the residual, or absent; an addend like x, or absent.
// Outputs: the gradients of x (+ addend), of weight, of bias, and of the residual where input kSaved is present. Where
// the statistics were those of a world, that of x comes from all ranks, and those of weight and bias from this one.
class BatchNormGradOp : public OpOf<BatchNormGradOp> {
 public:
  static constexpr std::string_view kName = "batch_norm_grad";
  static constexpr Slot kSlots[] = {{"grad_output"},
                                    {"input"},
                                    {"mean"},
                                    {"inv_std"},
                                    {"weight"},
                                    {"bias"},
                                    {"saved", Slot::Kind::optional},
                                    {"addend", Slot::Kind::optional}};

  enum Input { kGradOutput, kX, kMean, kInvStd, kWeight, kBias, kSaved, kAddend };
  enum Output { kGradX, kGradWeight, kGradBias, kGradResidual };

  explicit BatchNormGradOp(const BatchNormAttributes& attributes = {}, World* world = nullptr)
      : attributes_(attributes), world_(world) {}

  const BatchNormAttributes& batch_norm() const { return attributes_; }
  World* world() const { return world_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    BatchNormAttributes::describe(self.attributes_, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override {
    return {
        {kGradResidual, kGradOutput}, {kGradX, kAddend}, {kGradX, kGradOutput}, {kGradX, kX}, {kGradResidual, kSaved}};
  }
  int addend() const override { return kAddend; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  BatchNormAttributes attributes_;
  World* world_;
};

}  // namespace convoy
