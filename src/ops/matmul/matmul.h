// Batched matrix products.
#pragma once

#include "graph/op.h"

namespace convoy {

// Inputs: a {..., M, K} ({..., K, M} where transpose_a), b {..., K, N} ({..., N, K} where transpose_b); the axes before
// are equal. Output {..., M, N}.
class MatmulOp : public Op {
 public:
  MatmulOp(bool transpose_a, bool transpose_b) : transpose_a_(transpose_a), transpose_b_(transpose_b) {}

  bool transpose_a() const { return transpose_a_; }
  bool transpose_b() const { return transpose_b_; }

  std::string_view name() const override { return "matmul"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;
  int64_t multiply_adds(const NodeSpec& spec) const override;

 private:
  bool transpose_a_, transpose_b_;
};

}  // namespace convoy
