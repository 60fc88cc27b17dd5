// Group norm: per sample, over the pixels and the channels of a group.
#pragma once

#include "convoy/op.h"

namespace convoy {

struct GroupNormAttributes {
  int64_t groups = 1;
  float eps = 1e-5F;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("groups", self.groups);
    visit("eps", self.eps, 1e-5F);
  }
};

// Inputs: x {N, ..., C}; weight, bias {C}. Outputs: (x - mean) * inv_std * weight + bias; the mean and inv_std of every
// sample's groups, {N, groups}.
class GroupNormOp : public OpOf<GroupNormOp> {
 public:
  static constexpr std::string_view kName = "group_norm";
  static constexpr Slot kSlots[] = {{"input"}, {"weight"}, {"bias"}};
  enum Input { kX, kWeight, kBias };
  enum Output { kY, kMean, kInvStd };

  explicit GroupNormOp(const GroupNormAttributes& attributes = {}) : attributes_(attributes) {}

  const GroupNormAttributes& group_norm() const { return attributes_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    GroupNormAttributes::describe(self.attributes_, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{kY, kX}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  GroupNormAttributes attributes_;
};

// Inputs: grad_output, x, mean, inv_std, weight, an addend like x or absent.
// Outputs: the gradients of x (+ addend), of weight and of bias.
class GroupNormGradOp : public OpOf<GroupNormGradOp> {
 public:
  static constexpr std::string_view kName = "group_norm_grad";
  static constexpr Slot kSlots[] = {{"grad_output"}, {"input"},  {"mean"},
                                    {"inv_std"},     {"weight"}, {"addend", Slot::Kind::optional}};
  enum Input { kGradOutput, kX, kMean, kInvStd, kWeight, kAddend };
  enum Output { kGradX, kGradWeight, kGradBias };

  explicit GroupNormGradOp(const GroupNormAttributes& attributes = {}) : attributes_(attributes) {}

  const GroupNormAttributes& group_norm() const { return attributes_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    GroupNormAttributes::describe(self.attributes_, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override {
    return {{kGradX, kAddend}, {kGradX, kGradOutput}, {kGradX, kX}};
  }
  int addend() const override { return kAddend; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  GroupNormAttributes attributes_;
};

}  // namespace convoy
