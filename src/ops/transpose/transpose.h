// Reordering axes.
#pragma once

#include <vector>

#include "convoy/op.h"

namespace convoy {

// axes[i] is the input's axis that becomes axis i.
class TransposeOp : public OpOf<TransposeOp> {
 public:
  static constexpr std::string_view kName = "transpose";
  static constexpr Slot kSlots[] = {{"input"}};

  explicit TransposeOp(std::vector<int64_t> axes = {}) : axes_(std::move(axes)) {}

  const std::vector<int64_t>& axes() const { return axes_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("axes", self.axes_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  std::vector<int64_t> axes_;
};

}  // namespace convoy
