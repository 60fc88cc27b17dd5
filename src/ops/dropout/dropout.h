// Dropout of elements and of whole samples. The masks are functions of (seed, step, op), so the gradients repeat them.
#pragma once

#include <fmt/format.h>

#include "graph/op.h"
#include "kernels/dropout.h"

namespace convoy {

// Attributes: the probability of being dropped, and what tells the op's masks from those of other ops.
class MaskedOp : public Op {
 public:
  MaskedOp(float probability, uint64_t stream) : probability_(probability), stream_(stream) {}

  float probability() const { return probability_; }
  uint64_t stream() const { return stream_; }
  kernels::MaskKey key(const StepScalars& step) const { return {step.seed, stream_, step.step}; }

  std::string attributes() const override { return fmt::format("probability={}", probability_); }

 private:
  float probability_;
  uint64_t stream_;
};

// Output: the input with elements dropped, the others scaled to keep the mean. The reference has the mask of
// StepScalars{}.
class DropoutOp : public MaskedOp {
 public:
  using MaskedOp::MaskedOp;
  std::string_view name() const override { return "dropout"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override { return {inputs[0]}; }
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;
};

// Inputs: x {N, ...}, addend like x or absent. Output: x with whole samples dropped, the others scaled, + addend. The
// reference has the mask of StepScalars{}.
class DropPathOp : public MaskedOp {
 public:
  using MaskedOp::MaskedOp;
  std::string_view name() const override { return "drop_path"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}, {0, 1}}; }
  int addend() const override { return 1; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;
};

}  // namespace convoy
