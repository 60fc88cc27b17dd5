// Max and average pooling.
#pragma once

#include "convoy/ops.h"
#include "graph/op.h"
#include "kernels/pooling.h"

namespace convoy {

// The windows of a pooling op: those of Pool2d, or torch's adaptive ones for `adaptive` output extents.
struct PoolAttributes {
  Size2 kernel = 1, stride = 1, padding = 0;
  bool count_padding = false;
  Size2 adaptive = 0;  // 0: not adaptive

  std::string to_string() const;
  // Throws Error when `input` is no feature map or there is no output.
  kernels::PoolGeometry geometry(const Shape& input) const;
  Shape output_shape(const Shape& input) const;
};

class PoolOp : public Op {
 public:
  explicit PoolOp(const PoolAttributes& pool) : pool_(pool) {}

  const PoolAttributes& pool() const { return pool_; }
  std::string attributes() const override { return pool_.to_string(); }

 private:
  PoolAttributes pool_;
};

// Output: the gradient of the pooling op's input, of shape `input`.
class PoolGradOp : public PoolOp {
 public:
  PoolGradOp(const PoolAttributes& pool, const Shape& input) : PoolOp(pool), input_(input) {}

  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {{input_}}; }

 private:
  Shape input_;
};

// Output: the maximum of each window; in training also which position held it, u8, for the gradient.
class MaxPoolOp : public PoolOp {
 public:
  MaxPoolOp(const PoolAttributes& pool, bool training) : PoolOp(pool), training_(training) {}

  std::string_view name() const override { return "max_pool"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  bool training_;
};

// Inputs: grad_output, positions.
class MaxPoolGradOp : public PoolGradOp {
 public:
  using PoolGradOp::PoolGradOp;

  std::string_view name() const override { return "max_pool_grad"; }
  std::span<const Kernel> kernels() const override;
};

// Output: the mean of each window.
class AvgPoolOp : public PoolOp {
 public:
  using PoolOp::PoolOp;

  std::string_view name() const override { return "avg_pool"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return {{pool().output_shape(inputs[0].shape)}};
  }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;
};

// Input: grad_output.
class AvgPoolGradOp : public PoolGradOp {
 public:
  using PoolGradOp::PoolGradOp;

  std::string_view name() const override { return "avg_pool_grad"; }
  std::span<const Kernel> kernels() const override;
};

}  // namespace convoy
