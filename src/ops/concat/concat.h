// Joining tensors along the channels.
#pragma once

#include "graph/op.h"

namespace convoy {

// Inputs: one or more tensors {..., C_i}, alike but for the channels. Output: {..., sum of C_i}.
class ConcatOp : public Op {
 public:
  std::string_view name() const override { return "concat"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;
};

}  // namespace convoy
