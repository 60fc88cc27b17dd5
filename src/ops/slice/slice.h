// A range of channels.
#pragma once

#include "convoy/op.h"

namespace convoy {

// Input {..., C}. Output: channels [begin, end).
class SliceOp : public OpOf<SliceOp> {
 public:
  static constexpr std::string_view kName = "slice";
  static constexpr Slot kSlots[] = {{"input"}};

  SliceOp() = default;
  SliceOp(int64_t begin, int64_t end) : begin_(begin), end_(end) {}

  int64_t begin() const { return begin_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("begin", self.begin_);
    visit("end", self.end_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::optional<RowWindow> row_window(int) const override { return RowWindow(); }
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  int64_t begin_ = 0, end_ = 1;
};

// Input {..., C}. Output: `channels` channels, zero but for the input from channel `begin` on.
class SliceGradOp : public OpOf<SliceGradOp> {
 public:
  static constexpr std::string_view kName = "slice_grad";
  static constexpr Slot kSlots[] = {{"grad_output"}};

  SliceGradOp() = default;
  SliceGradOp(int64_t begin, int64_t channels) : begin_(begin), channels_(channels) {}

  int64_t begin() const { return begin_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("begin", self.begin_);
    visit("channels", self.channels_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  int64_t begin_ = 0, channels_ = 1;
};

}  // namespace convoy
