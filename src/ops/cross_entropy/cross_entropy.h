// Softmax cross entropy with soft targets and label smoothing.
#pragma once

#include "convoy/op.h"

namespace convoy {

// Inputs: logits {N, C}, targets {N, C}. Outputs: the mean loss, a scalar, and the losses of the samples {N}, which
// have no gradient. With smoothing s, targets count as (1 - s) targets + s / C (Szegedy et al., arXiv 1512.00567).
class CrossEntropyOp : public OpOf<CrossEntropyOp> {
 public:
  static constexpr std::string_view kName = "cross_entropy";
  static constexpr Slot kSlots[] = {{"logits"}, {"targets"}};

  explicit CrossEntropyOp(float smoothing = 0) : smoothing_(smoothing) {}

  float smoothing() const { return smoothing_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("smoothing", self.smoothing_, 0);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  float smoothing_;
};

// Inputs: logits, targets, the gradient of the mean. Output: the gradient of the logits.
class CrossEntropyGradOp : public OpOf<CrossEntropyGradOp> {
 public:
  static constexpr std::string_view kName = "cross_entropy_grad";
  static constexpr Slot kSlots[] = {{"logits"}, {"targets"}, {"grad_mean"}};

  explicit CrossEntropyGradOp(float smoothing = 0) : smoothing_(smoothing) {}

  float smoothing() const { return smoothing_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("smoothing", self.smoothing_, 0);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  float smoothing_;
};

}  // namespace convoy
