// Two-dimensional convolution and its gradients.
#pragma once

#include <optional>
#include <string>

#include "convoy/kernel.h"
#include "convoy/op.h"
#include "convoy/ops.h"
#include "kernels/conv_args.h"

namespace convoy {

// The shape of a convolution's result.
Shape output_shape(const Shape& input, const kernels::ConvGeometry& geometry);
// Multiply-accumulates of a convolution, padding counted: as many in each of the three directions.
int64_t products(const Shape& output, const Shape& weight);

struct ConvAttributes {
  Size2 kernel = 1, stride = 1, padding = 0, extra_padding = 0, dilation = 1;
  int64_t groups = 1;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("kernel", self.kernel);
    visit("stride", self.stride, 1);
    visit("padding", self.padding, 0);
    visit("extra_padding", self.extra_padding, 0);
    visit("dilation", self.dilation, 1);
    visit("groups", self.groups, 1);
  }
  // Whether they mean a convolution.
  bool sound() const;
  std::string to_string() const;
  // The kernels' view of a convolution of `input` {N, H, W, C} to `out_channels`; other ranks are rows of vectors, that
  // is 1x1 maps. Throws Error when the attributes mean nothing or there is no output.
  kernels::ConvGeometry geometry(const Shape& input, int64_t out_channels) const;
  // That of a node which reads input 0, or of those of its rows that are asked for.
  kernels::ConvGeometry geometry(const NodeSpec& spec) const;
  RowWindow row_window() const { return {dilation.h * (kernel.h - 1) + 1, stride.h, padding.h}; }
};

// Inputs: input, weight {kernel.h, kernel.w, C / groups, out}, bias {out} or absent, addend like the output or absent.
// Outputs: activation(input * weight + bias + addend), of which only `none` has a gradient; where `statistics`, also
// the per-tile sums of that before the activation, for a batch norm that follows (kernels/conv_args.h), {tiles, 2,
// out}.
class Conv2dOp : public OpOf<Conv2dOp> {
 public:
  static constexpr std::string_view kName = "conv2d";
  static constexpr Slot kSlots[] = {
      {"input"}, {"weight"}, {"bias", Slot::Kind::optional}, {"addend", Slot::Kind::optional}};

  explicit Conv2dOp(ConvAttributes attributes = {}, bool statistics = false, Activation activation = Activation::none)
      : attributes_(attributes), statistics_(statistics), activation_(activation) {}

  const ConvAttributes& conv() const { return attributes_; }
  bool statistics() const { return statistics_; }
  Activation activation() const { return activation_; }
  // Pixels in a tile of the statistics of a convolution of `input`.
  int64_t statistics_pixels(const Shape& input, int64_t out_channels) const;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    ConvAttributes::describe(self.attributes_, visit);
    visit("statistics", self.statistics_, false);
    visit("activation", self.activation_, Activation::none);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 3}}; }
  std::optional<RowWindow> row_window(int input) const override;
  int addend() const override { return activation_ == Activation::none ? 3 : -1; }
  bool sums_images(int output) const override { return output == 1; }
  std::shared_ptr<const Op> with_activation(Activation function) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
  int64_t multiply_adds(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const override;

 protected:
  ConvAttributes attributes_;
  bool statistics_;
  Activation activation_;
};

// A matrix product per row: the 1x1 convolution of vectors. Weight {1, 1, in, out}.
class LinearOp : public OpOf<LinearOp, Conv2dOp> {
 public:
  static constexpr std::string_view kName = "linear";

  explicit LinearOp(Activation activation = Activation::none) : OpOf({}, false, activation) {}

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("activation", self.activation_, Activation::none);
  }
  std::shared_ptr<const Op> with_activation(Activation function) const override;
};

// Inputs: grad_output, weight, addend like the result or absent. Output: the gradient of the input + addend.
class Conv2dGradInputOp : public OpOf<Conv2dGradInputOp> {
 public:
  static constexpr std::string_view kName = "conv2d_grad_input";
  static constexpr Slot kSlots[] = {{"grad_output"}, {"weight"}, {"addend", Slot::Kind::optional}};

  Conv2dGradInputOp() = default;
  Conv2dGradInputOp(ConvAttributes attributes, Shape input) : attributes_(attributes), input_(input) {}

  const ConvAttributes& conv() const { return attributes_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    ConvAttributes::describe(self.attributes_, visit);
    visit("input", self.input_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 2}}; }
  int addend() const override { return 2; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
  int64_t multiply_adds(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const override;

 private:
  ConvAttributes attributes_;
  Shape input_;
};

// Inputs: input, grad_output. Outputs: the gradient of the weight, and of the bias where `bias`.
class Conv2dGradWeightOp : public OpOf<Conv2dGradWeightOp> {
 public:
  static constexpr std::string_view kName = "conv2d_grad_weight";
  static constexpr Slot kSlots[] = {{"input"}, {"grad_output"}};

  Conv2dGradWeightOp() = default;
  Conv2dGradWeightOp(ConvAttributes attributes, bool bias) : attributes_(attributes), bias_(bias) {}

  const ConvAttributes& conv() const { return attributes_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    ConvAttributes::describe(self.attributes_, visit);
    visit("bias", self.bias_, false);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  bool sums_images(int) const override { return true; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
  int64_t multiply_adds(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const override;

 private:
  ConvAttributes attributes_;
  bool bias_ = false;
};

}  // namespace convoy
