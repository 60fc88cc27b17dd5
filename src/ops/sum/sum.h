// The sum of any number of like-shaped tensors.
#pragma once

#include "convoy/op.h"

namespace convoy {

// Inputs: one or more tensors of one shape. Output: their sum, added in order. of_gradients: of a value that takes part
// several times; passes tell them from the network's own.
class SumOp : public OpOf<SumOp> {
 public:
  static constexpr std::string_view kName = "sum";
  static constexpr Slot kSlots[] = {{"term", Slot::Kind::many}};

  explicit SumOp(bool of_gradients = false) : of_gradients_(of_gradients) {}

  bool of_gradients() const { return of_gradients_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("of_gradients", self.of_gradients_, false);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 0}}; }
  std::optional<RowWindow> row_window(int) const override { return RowWindow(); }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  bool of_gradients_;
};

}  // namespace convoy
