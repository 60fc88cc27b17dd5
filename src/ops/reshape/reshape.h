// The same elements under another shape.
#pragma once

#include "graph/op.h"

namespace convoy {

// Output: the input's elements, in their order, as `shape`. Shares the input's memory where that is free to take.
class ReshapeOp : public Op {
 public:
  explicit ReshapeOp(Shape shape) : shape_(shape) {}

  std::string_view name() const override { return "reshape"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  Shape shape_;
};

}  // namespace convoy
