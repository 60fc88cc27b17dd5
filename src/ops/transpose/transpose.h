// Reordering axes.
#pragma once

#include <vector>

#include "graph/op.h"

namespace convoy {

// axes[i] is the input's axis that becomes axis i.
class TransposeOp : public Op {
 public:
  explicit TransposeOp(std::vector<int> axes) : axes_(std::move(axes)) {}

  const std::vector<int>& axes() const { return axes_; }

  std::string_view name() const override { return "transpose"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  std::vector<int> axes_;
};

}  // namespace convoy
