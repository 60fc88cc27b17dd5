// Batched matrix products.
#pragma once

#include "convoy/op.h"
#include "kernels/matmul.h"

namespace convoy {

// Inputs: a {..., M, K} ({..., K, M} where transpose_a), b {..., K, N} ({..., N, K} where transpose_b); the axes before
// are equal. Output {..., M, N}.
class MatmulOp : public OpOf<MatmulOp> {
 public:
  static constexpr std::string_view kName = "matmul";
  static constexpr Slot kSlots[] = {{"a"}, {"b"}};

  explicit MatmulOp(bool transpose_a = false, bool transpose_b = false)
      : transpose_a_(transpose_a), transpose_b_(transpose_b) {}

  bool transpose_a() const { return transpose_a_; }
  bool transpose_b() const { return transpose_b_; }
  // The kernels' view of the product of operands of these shapes.
  kernels::MatmulShape geometry(const Shape& a, const Shape& b) const;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("transpose_a", self.transpose_a_, false);
    visit("transpose_b", self.transpose_b_, false);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
  int64_t multiply_adds(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const override;

 private:
  bool transpose_a_, transpose_b_;
};

}  // namespace convoy
