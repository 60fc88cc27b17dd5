// Max and average pooling.
#pragma once

#include "convoy/op.h"
#include "convoy/ops.h"
#include "kernels/pooling.h"

namespace convoy {

// The windows of a pooling op: those of Pool2d, or torch's adaptive ones for `adaptive` output extents.
struct PoolAttributes {
  Size2 kernel = 1, stride = 1, padding = 0;
  bool count_padding = false;
  Size2 adaptive = 0;  // 0: not adaptive

  // Those that max pooling has too.
  template <class Self, class Visitor>
  static void describe_windows(Self& self, Visitor& visit) {
    visit("kernel", self.kernel, 1);
    visit("stride", self.stride, 1);
    visit("padding", self.padding, 0);
  }
  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    describe_windows(self, visit);
    visit("count_padding", self.count_padding, false);
    visit("output", self.adaptive, 0);
  }
  // Whether they mean windows.
  bool sound() const;
  std::string to_string() const;
  // Throws Error when the attributes mean nothing, `input` is no feature map or there is no output.
  kernels::PoolGeometry geometry(const Shape& input) const;
  Shape output_shape(const Shape& input) const;

  friend bool operator==(const PoolAttributes&, const PoolAttributes&) = default;
};

class PoolOp : public Op {
 public:
  explicit PoolOp(const PoolAttributes& pool = {}) : pool_(pool) {}

  const PoolAttributes& pool() const { return pool_; }

 protected:
  PoolAttributes pool_;
};

// Output: the gradient of the pooling op's input, of shape `input`.
class PoolGradOp : public PoolOp {
 public:
  PoolGradOp() = default;
  PoolGradOp(const PoolAttributes& pool, const Shape& input) : PoolOp(pool), input_(input) {}

 protected:
  Shape input_;
};

// Output: the maximum of each window; in training also which position held it, u8, for the gradient.
class MaxPoolOp : public OpOf<MaxPoolOp, PoolOp> {
 public:
  static constexpr std::string_view kName = "max_pool";
  static constexpr Slot kSlots[] = {{"input"}};

  explicit MaxPoolOp(const PoolAttributes& pool = {}, bool training = false) : OpOf(pool), training_(training) {}

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    PoolAttributes::describe_windows(self.pool_, visit);
    visit("training", self.training_, false);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::optional<RowWindow> row_window(int) const override {
    return RowWindow{pool_.kernel.h, pool_.stride.h, pool_.padding.h};
  }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  bool training_;
};

// Inputs: grad_output, positions.
class MaxPoolGradOp : public OpOf<MaxPoolGradOp, PoolGradOp> {
 public:
  static constexpr std::string_view kName = "max_pool_grad";
  static constexpr Slot kSlots[] = {{"grad_output"}, {"positions"}};

  using OpOf::OpOf;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    PoolAttributes::describe_windows(self.pool_, visit);
    visit("input", self.input_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

// Output: the mean of each window.
class AvgPoolOp : public OpOf<AvgPoolOp, PoolOp> {
 public:
  static constexpr std::string_view kName = "avg_pool";
  static constexpr Slot kSlots[] = {{"input"}};

  using OpOf::OpOf;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    PoolAttributes::describe(self.pool_, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

// Input: grad_output.
class AvgPoolGradOp : public OpOf<AvgPoolGradOp, PoolGradOp> {
 public:
  static constexpr std::string_view kName = "avg_pool_grad";
  static constexpr Slot kSlots[] = {{"grad_output"}};

  using OpOf::OpOf;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    PoolAttributes::describe(self.pool_, visit);
    visit("input", self.input_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

}  // namespace convoy
