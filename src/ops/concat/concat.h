// Joining tensors along the channels.
#pragma once

#include "convoy/op.h"

namespace convoy {

// Inputs: one or more tensors {..., C_i} of one type, alike but for the channels. Output: {..., sum of C_i}.
class ConcatOp : public OpOf<ConcatOp> {
 public:
  static constexpr std::string_view kName = "concat";
  static constexpr Slot kSlots[] = {{"part", Slot::Kind::many}};

  template <class Self, class Visitor>
  static void describe(Self&, Visitor&) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::optional<RowWindow> row_window(int) const override { return RowWindow(); }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

}  // namespace convoy
