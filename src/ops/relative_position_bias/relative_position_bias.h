// The bias of window attention: what a query adds to its scores for the distance to each key.
#pragma once

#include "convoy/attention.h"
#include "convoy/op.h"

namespace convoy {

// What an op and its gradient have in common.
class WindowBiasOp : public Op {
 public:
  explicit WindowBiasOp(const WindowBias& options = {}) : options_(options) {}

  const WindowBias& options() const { return options_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("window", self.options_.window);
    visit("windows", self.options_.windows, 1);
    visit("shift", self.options_.shift, 0);
  }

 protected:
  // Throws Error when the attributes mean nothing or input 0 is not scores of such windows.
  void check_scores(std::span<const TensorType> inputs) const;

  WindowBias options_;
};

// Inputs: scores {N * windows, heads, L, L}, L = window.h * window.w; table {(2 window.h - 1) (2 window.w - 1), heads}.
// Output: see relative_position_bias in convoy/attention.h.
class RelativePositionBiasOp : public OpOf<RelativePositionBiasOp, WindowBiasOp> {
 public:
  static constexpr std::string_view kName = "relative_position_bias";
  static constexpr Slot kSlots[] = {{"scores"}, {"table"}};

  using OpOf::OpOf;

  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

// Input: grad_output, like the scores. Output: the gradient of the table.
class RelativePositionBiasGradOp : public OpOf<RelativePositionBiasGradOp, WindowBiasOp> {
 public:
  static constexpr std::string_view kName = "relative_position_bias_grad";
  static constexpr Slot kSlots[] = {{"grad_output"}};

  using OpOf::OpOf;

  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

}  // namespace convoy
