// Cutting feature maps into windows and putting them together again.
#pragma once

#include <string>

#include "convoy/attention.h"
#include "convoy/op.h"

namespace convoy {

struct WindowAttributes {
  Size2 window = 1;
  Size2 shift = 0;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("window", self.window);
    visit("shift", self.shift, 0);
  }
  std::string to_string() const;
};

// Input {N, H, W, C}. Output {N * windows, window.h * window.w, C}: see window_partition in convoy/attention.h.
class WindowPartitionOp : public OpOf<WindowPartitionOp> {
 public:
  static constexpr std::string_view kName = "window_partition";
  static constexpr Slot kSlots[] = {{"input"}};

  explicit WindowPartitionOp(const WindowAttributes& attributes = {}) : attributes_(attributes) {}

  const WindowAttributes& windows() const { return attributes_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    WindowAttributes::describe(self.attributes_, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  WindowAttributes attributes_;
};

// The way back, to maps of the extents `image`. Each of the two ops is the gradient of the other.
class WindowMergeOp : public OpOf<WindowMergeOp> {
 public:
  static constexpr std::string_view kName = "window_merge";
  static constexpr Slot kSlots[] = {{"windows"}};

  explicit WindowMergeOp(const WindowAttributes& attributes = {}, Size2 image = 1)
      : attributes_(attributes), image_(image) {}

  const WindowAttributes& windows() const { return attributes_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("image", self.image_);
    WindowAttributes::describe(self.attributes_, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  WindowAttributes attributes_;
  Size2 image_;
};

}  // namespace convoy
