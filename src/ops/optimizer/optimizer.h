// The ops that change parameters and what an optimizer keeps beside them. They have no outputs but the clipping factor.
#pragma once

#include "graph/op.h"

namespace convoy {

// torch.optim.SGD with dampening 0. Inputs: weight and momentum (absent when `momentum` is 0), both changed; gradient;
// the scalar that the gradient is multiplied by, or absent.
class SgdOp : public Op {
 public:
  struct Attributes {
    float momentum = 0.9F;
    bool nesterov = false;
    float weight_decay = 0;  // L2: added to the gradient
  };
  explicit SgdOp(Attributes attributes) : attributes_(attributes) {}

  const Attributes& sgd() const { return attributes_; }

  std::string_view name() const override { return "sgd"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {}; }
  bool mutates(int input) const override { return input < 2; }
  std::span<const Kernel> kernels() const override;

 private:
  Attributes attributes_;
};

// Adam (Kingma and Ba, arXiv 1412.6980) and, where `decoupled`, AdamW (Loshchilov and Hutter, arXiv 1711.05101), as
// torch.optim computes them. Inputs: weight, first moment and second moment, all changed; gradient; its factor or
// absent.
class AdamOp : public Op {
 public:
  struct Attributes {
    float beta1 = 0.9F;
    float beta2 = 0.999F;
    float eps = 1e-8F;
    float weight_decay = 0;
    bool decoupled = false;
  };
  explicit AdamOp(Attributes attributes) : attributes_(attributes) {}

  const Attributes& adam() const { return attributes_; }

  std::string_view name() const override { return attributes_.decoupled ? "adamw" : "adam"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {}; }
  bool mutates(int input) const override { return input < 3; }
  std::span<const Kernel> kernels() const override;

 private:
  Attributes attributes_;
};

// Inputs: any number of gradients. Output: the scalar min(1, max_norm / (norm + 1e-6)) for the L2 norm of them all, as
// torch.nn.utils.clip_grad_norm_.
class ClipFactorOp : public Op {
 public:
  explicit ClipFactorOp(float max_norm) : max_norm_(max_norm) {}

  float max_norm() const { return max_norm_; }

  std::string_view name() const override { return "clip_factor"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {{Shape{}}}; }
  std::span<const Kernel> kernels() const override;

 private:
  float max_norm_;
};

// average = decay average + (1 - decay) value. Inputs: average, changed; value.
class MovingAverageOp : public Op {
 public:
  explicit MovingAverageOp(float decay) : decay_(decay) {}

  float decay() const { return decay_; }

  std::string_view name() const override { return "moving_average"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {}; }
  bool mutates(int input) const override { return input == 0; }
  std::span<const Kernel> kernels() const override;

 private:
  float decay_;
};

// total += term. Inputs: total, changed; term.
class AccumulateOp : public Op {
 public:
  std::string_view name() const override { return "accumulate"; }
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {}; }
  bool mutates(int input) const override { return input == 0; }
  std::span<const Kernel> kernels() const override;
};

// Sets its input to zero.
class ClearOp : public Op {
 public:
  std::string_view name() const override { return "clear"; }
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {}; }
  bool mutates(int) const override { return true; }
  std::span<const Kernel> kernels() const override;
};

}  // namespace convoy
