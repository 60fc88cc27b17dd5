// Two-dimensional convolution and its gradients.
#pragma once

#include <string>

#include "convoy/ops.h"
#include "graph/op.h"
#include "kernels/conv_args.h"

namespace convoy {

struct ConvAttributes {
  Size2 kernel = 1, stride = 1, padding = 0, extra_padding = 0, dilation = 1;
  int64_t groups = 1;

  std::string to_string() const;
  // The kernels' view of a convolution of `input` {N, H, W, C} to `out_channels`; other ranks are rows of vectors, that
  // is 1x1 maps. Throws Error when there is no output.
  kernels::ConvGeometry geometry(const Shape& input, int64_t out_channels) const;
};

// Inputs: input, weight {kernel.h, kernel.w, C / groups, out}, bias {out} or absent, addend like the output or absent.
// Outputs: activation(input * weight + bias + addend), of which only `none` has a gradient; where `statistics`, also
// the per-tile sums of that before the activation, for a batch norm that follows (kernels/conv_args.h), {tiles, 2,
// out}.
class Conv2dOp : public Op {
 public:
  explicit Conv2dOp(ConvAttributes attributes, bool statistics = false, Activation activation = Activation::none)
      : attributes_(attributes), statistics_(statistics), activation_(activation) {}

  const ConvAttributes& conv() const { return attributes_; }
  bool statistics() const { return statistics_; }
  Activation activation() const { return activation_; }
  // Pixels in a tile of the statistics of a convolution of `input`.
  int64_t statistics_pixels(const Shape& input, int64_t out_channels) const;

  std::string_view name() const override { return "conv2d"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 3}}; }
  int addend() const override { return activation_ == Activation::none ? 3 : -1; }
  std::shared_ptr<const Op> with_activation(Activation function) const override;
  void gradient(GradientScope& scope) const override;
  void reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const override;
  std::span<const Kernel> kernels() const override;
  int64_t multiply_adds(const NodeSpec& spec) const override;

 private:
  ConvAttributes attributes_;
  bool statistics_;
  Activation activation_;
};

// A matrix product per row: the 1x1 convolution of vectors. Weight {1, 1, in, out}.
class LinearOp : public Conv2dOp {
 public:
  explicit LinearOp(Activation activation = Activation::none) : Conv2dOp({}, false, activation) {}
  std::string_view name() const override { return "linear"; }
  std::string attributes() const override;
  std::shared_ptr<const Op> with_activation(Activation function) const override;
};

// Inputs: grad_output, weight, addend like the result or absent. Output: the gradient of the input + addend.
class Conv2dGradInputOp : public Op {
 public:
  Conv2dGradInputOp(ConvAttributes attributes, Shape input) : attributes_(attributes), input_(input) {}

  const ConvAttributes& conv() const { return attributes_; }

  std::string_view name() const override { return "conv2d_grad_input"; }
  std::string attributes() const override { return attributes_.to_string(); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<std::pair<int, int>> in_place() const override { return {{0, 2}}; }
  int addend() const override { return 2; }
  std::span<const Kernel> kernels() const override;
  int64_t multiply_adds(const NodeSpec& spec) const override;

 private:
  ConvAttributes attributes_;
  Shape input_;
};

// Inputs: input, grad_output. Outputs: the gradient of the weight, and of the bias where `bias`.
class Conv2dGradWeightOp : public Op {
 public:
  Conv2dGradWeightOp(ConvAttributes attributes, bool bias) : attributes_(attributes), bias_(bias) {}

  const ConvAttributes& conv() const { return attributes_; }

  std::string_view name() const override { return "conv2d_grad_weight"; }
  std::string attributes() const override { return attributes_.to_string(); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::span<const Kernel> kernels() const override;
  int64_t multiply_adds(const NodeSpec& spec) const override;

 private:
  ConvAttributes attributes_;
  bool bias_;
};

}  // namespace convoy
