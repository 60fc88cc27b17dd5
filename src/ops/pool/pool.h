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

// Output: the maximum of each window; in training also which position held it, u8, for the gradient.
class MaxPoolOp : public Op {
 public:
  MaxPoolOp(PoolAttributes pool, bool training) : pool_(pool), training_(training) {}

  const PoolAttributes& pool() const { return pool_; }

  std::string_view name() const override { return "max_pool"; }
  std::string attributes() const override { return pool_.to_string(); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  PoolAttributes pool_;
  bool training_;
};

// Inputs: grad_output, positions. Output: the gradient of the input.
class MaxPoolGradOp : public Op {
 public:
  MaxPoolGradOp(PoolAttributes pool, Shape input) : pool_(pool), input_(input) {}

  const PoolAttributes& pool() const { return pool_; }

  std::string_view name() const override { return "max_pool_grad"; }
  std::string attributes() const override { return pool_.to_string(); }
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {{input_}}; }
  std::span<const Kernel> kernels() const override;

 private:
  PoolAttributes pool_;
  Shape input_;
};

// Output: the mean of each window.
class AvgPoolOp : public Op {
 public:
  explicit AvgPoolOp(PoolAttributes pool) : pool_(pool) {}

  const PoolAttributes& pool() const { return pool_; }

  std::string_view name() const override { return "avg_pool"; }
  std::string attributes() const override { return pool_.to_string(); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return {{pool_.output_shape(inputs[0].shape)}};
  }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  PoolAttributes pool_;
};

// Input: grad_output. Output: the gradient of the input.
class AvgPoolGradOp : public Op {
 public:
  AvgPoolGradOp(PoolAttributes pool, Shape input) : pool_(pool), input_(input) {}

  const PoolAttributes& pool() const { return pool_; }

  std::string_view name() const override { return "avg_pool_grad"; }
  std::string attributes() const override { return pool_.to_string(); }
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {{input_}}; }
  std::span<const Kernel> kernels() const override;

 private:
  PoolAttributes pool_;
  Shape input_;
};

}  // namespace convoy
