// Dropout of elements and of whole samples. The masks are functions of (seed, step, op), so the gradients repeat them;
// a slice of a batch has its part of the whole batch's.
#pragma once

#include "convoy/op.h"
#include "kernels/dropout.h"

namespace convoy {

// Attributes: the probability of being dropped, and what tells the op's masks from those of other ops.
class MaskedOp : public Op {
 public:
  MaskedOp() = default;
  MaskedOp(float probability, uint64_t stream) : probability_(probability), stream_(stream) {}

  float probability() const { return probability_; }
  uint64_t stream() const { return stream_; }
  // count: elements or samples that the op masks.
  kernels::MaskKey key(const StepScalars& step, int64_t count) const {
    const int64_t per_sample = step.samples == 0 ? 0 : count / step.samples;
    return {step.seed, stream_, step.step, per_sample * step.first_sample};
  }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("probability", self.probability_);
    visit("stream", self.stream_);
  }

 protected:
  void check_probability() const;

 private:
  float probability_ = 0;
  uint64_t stream_ = 0;
};

// Output: the input with elements dropped, the others scaled to keep the mean.
class DropoutOp : public OpOf<DropoutOp, MaskedOp> {
 public:
  static constexpr std::string_view kName = "dropout";
  static constexpr Slot kSlots[] = {{"input"}};

  using OpOf::OpOf;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

// Inputs: x {N, ...}, addend like x or absent. Output: x with whole samples dropped, the others scaled, + addend.
class DropPathOp : public OpOf<DropPathOp, MaskedOp> {
 public:
  static constexpr std::string_view kName = "drop_path";
  static constexpr Slot kSlots[] = {{"input"}, {"addend", Slot::Kind::optional}};

  using OpOf::OpOf;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}, {0, 1}}; }
  int addend() const override { return 1; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

}  // namespace convoy
