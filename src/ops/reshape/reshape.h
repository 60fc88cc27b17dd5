// The same elements under another shape.
#pragma once

#include "convoy/op.h"

namespace convoy {

// Output: the input's elements, in their order, as `shape`. Shares the input's memory where that is free to take.
class ReshapeOp : public OpOf<ReshapeOp> {
 public:
  static constexpr std::string_view kName = "reshape";
  static constexpr Slot kSlots[] = {{"input"}};

  explicit ReshapeOp(Shape shape = {}) : shape_(shape) {}

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("shape", self.shape_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  Shape shape_;
};

}  // namespace convoy
