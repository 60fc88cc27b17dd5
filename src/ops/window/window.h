// Cutting feature maps into windows and putting them together again.
#pragma once

#include <string>

#include "convoy/attention.h"
#include "graph/op.h"

namespace convoy {

struct WindowAttributes {
  Size2 window = 1;
  Size2 shift = 0;

  std::string to_string() const;
};

// Input {N, H, W, C}. Output {N * windows, window.h * window.w, C}: see window_partition in convoy/attention.h.
class WindowPartitionOp : public Op {
 public:
  explicit WindowPartitionOp(const WindowAttributes& attributes) : attributes_(attributes) {}

  const WindowAttributes& windows() const { return attributes_; }

  std::string_view name() const override { return "window_partition"; }
  std::string attributes() const override { return attributes_.to_string(); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  WindowAttributes attributes_;
};

// The way back, to maps of the extents `image`. Each of the two ops is the gradient of the other.
class WindowMergeOp : public Op {
 public:
  WindowMergeOp(const WindowAttributes& attributes, Size2 image) : attributes_(attributes), image_(image) {}

  const WindowAttributes& windows() const { return attributes_; }

  std::string_view name() const override { return "window_merge"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;

 private:
  WindowAttributes attributes_;
  Size2 image_;
};

}  // namespace convoy
