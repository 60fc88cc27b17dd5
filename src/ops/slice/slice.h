// A range of channels.
#pragma once

#include <fmt/format.h>

#include "graph/op.h"

namespace convoy {

// Input {..., C}. Output: channels [begin, end).
class SliceOp : public Op {
 public:
  SliceOp(int64_t begin, int64_t end) : begin_(begin), end_(end) {}

  int64_t begin() const { return begin_; }

  std::string_view name() const override { return "slice"; }
  std::string attributes() const override { return fmt::format("channels={}:{}", begin_, end_); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  int64_t begin_, end_;
};

// Input {..., C}. Output: `channels` channels, zero but for the input from channel `begin` on.
class SliceGradOp : public Op {
 public:
  SliceGradOp(int64_t begin, int64_t channels) : begin_(begin), channels_(channels) {}

  int64_t begin() const { return begin_; }

  std::string_view name() const override { return "slice_grad"; }
  std::string attributes() const override { return fmt::format("begin={} channels={}", begin_, channels_); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  int64_t begin_, channels_;
};

}  // namespace convoy
