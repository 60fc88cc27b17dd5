// The bias of window attention: what a query adds to its scores for the distance to each key.
#pragma once

#include <string>

#include "convoy/attention.h"
#include "graph/op.h"

namespace convoy {

// Inputs: scores {N * windows, heads, L, L}, L = window.h * window.w; table {(2 window.h - 1) (2 window.w - 1), heads}.
// Output: see relative_position_bias in convoy/attention.h.
class RelativePositionBiasOp : public Op {
 public:
  explicit RelativePositionBiasOp(const WindowBias& options) : options_(options) {}

  const WindowBias& options() const { return options_; }

  std::string_view name() const override { return "relative_position_bias"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  WindowBias options_;
};

// Input: grad_output, like the scores. Output: the gradient of the table.
class RelativePositionBiasGradOp : public Op {
 public:
  explicit RelativePositionBiasGradOp(const WindowBias& options) : options_(options) {}

  const WindowBias& options() const { return options_; }

  std::string_view name() const override { return "relative_position_bias_grad"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  WindowBias options_;
};

}  // namespace convoy
