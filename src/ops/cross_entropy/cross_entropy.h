// Softmax cross entropy with soft targets and label smoothing.
#pragma once

#include <fmt/format.h>

#include "graph/op.h"

namespace convoy {

// Inputs: logits {N, C}, targets {N, C}. Outputs: the mean loss, a scalar, and the losses of the samples {N}, which
// have no gradient. With smoothing s, targets count as (1 - s) targets + s / C (Szegedy et al., arXiv 1512.00567).
class CrossEntropyOp : public Op {
 public:
  explicit CrossEntropyOp(float smoothing) : smoothing_(smoothing) {}

  float smoothing() const { return smoothing_; }

  std::string_view name() const override { return "cross_entropy"; }
  std::string attributes() const override { return fmt::format("smoothing={}", smoothing_); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  float smoothing_;
};

// Inputs: logits, targets, the gradient of the mean. Output: the gradient of the logits.
class CrossEntropyGradOp : public Op {
 public:
  explicit CrossEntropyGradOp(float smoothing) : smoothing_(smoothing) {}

  float smoothing() const { return smoothing_; }

  std::string_view name() const override { return "cross_entropy_grad"; }
  std::string attributes() const override { return fmt::format("smoothing={}", smoothing_); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override { return {inputs[0]}; }
  std::span<const Kernel> kernels() const override;

 private:
  float smoothing_;
};

}  // namespace convoy
