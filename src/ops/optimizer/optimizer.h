// The ops that change parameters and what an optimizer keeps beside them. They have no outputs but the clipping factor.
// The last two inputs of each optimizer are the gradient and the scalar that it is multiplied by, or absent.
#pragma once

#include "graph/op.h"

namespace convoy {

// What every optimizer has.
struct UpdateAttributes {
  float weight_decay = 0;
  bool decoupled = false;  // the weight shrinks by rate weight_decay of itself; else the decay is part of the gradient
  float lr_scale = 1;      // factor of the learning rate
  int64_t first = 0;       // updates made before the first of this weight, which bias corrections do not count
};

class UpdateOp : public Op {
 public:
  const UpdateAttributes& update() const { return update_; }
  // The rate of the update, the decay that is added to the gradient, and the factor that the weight keeps.
  float rate(const StepScalars& step) const { return step.learning_rate * update_.lr_scale; }
  float l2() const { return update_.decoupled ? 0 : update_.weight_decay; }
  float keep(const StepScalars& step) const;

  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {}; }

 protected:
  explicit UpdateOp(const UpdateAttributes& update) : update_(update) {}
  // "momentum=0.9 weight_decay=0.0001", with what differs from the usual.
  std::string with_update(const std::string& attributes) const;

 private:
  UpdateAttributes update_;
};

// torch.optim.SGD with dampening 0. Inputs: weight and momentum (absent when `momentum` is 0), both changed.
class SgdOp : public UpdateOp {
 public:
  struct Attributes {
    float momentum = 0.9F;
    bool nesterov = false;
    UpdateAttributes update = {};
  };
  explicit SgdOp(Attributes attributes) : UpdateOp(attributes.update), attributes_(attributes) {}

  const Attributes& sgd() const { return attributes_; }

  std::string_view name() const override { return "sgd"; }
  std::string attributes() const override;
  bool mutates(int input) const override { return input < 2; }
  std::span<const Kernel> kernels() const override;

 private:
  Attributes attributes_;
};

// The decay rates of two moments.
struct MomentAttributes {
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float eps = 1e-8F;
  UpdateAttributes update = {};
};

// Adam (Kingma and Ba, arXiv 1412.6980) and, where decoupled, AdamW (Loshchilov and Hutter, arXiv 1711.05101), as
// torch.optim computes them. Inputs: weight, first moment and second moment, all changed.
class AdamOp : public UpdateOp {
 public:
  explicit AdamOp(const MomentAttributes& moments) : UpdateOp(moments.update), moments_(moments) {}

  const MomentAttributes& moments() const { return moments_; }

  std::string_view name() const override { return update().decoupled ? "adamw" : "adam"; }
  std::string attributes() const override;
  bool mutates(int input) const override { return input < 3; }
  std::span<const Kernel> kernels() const override;

 private:
  MomentAttributes moments_;
};

// torch.optim.RMSprop, or TensorFlow's as timm's RMSpropTF has it: epsilon within the root, the learning rate within
// the momentum, and a second moment that is to start at 1. Inputs: weight, second moment and momentum (absent when
// `momentum` is 0), all changed.
class RmspropOp : public UpdateOp {
 public:
  struct Attributes {
    bool tensorflow = false;
    float alpha = 0.9F;  // as timm and the EfficientNet paper
    float momentum = 0.9F;
    float eps = 1e-8F;
    UpdateAttributes update = {};
  };
  explicit RmspropOp(Attributes attributes) : UpdateOp(attributes.update), attributes_(attributes) {}

  const Attributes& rmsprop() const { return attributes_; }

  std::string_view name() const override { return attributes_.tensorflow ? "rmsproptf" : "rmsprop"; }
  std::string attributes() const override;
  bool mutates(int input) const override { return input < 3; }
  std::span<const Kernel> kernels() const override;

 private:
  Attributes attributes_;
};

// LAMB (You et al., arXiv 1904.00962) as timm's: Adam's direction, to which a decay that is not decoupled is added,
// times the norm of the weight over that of the direction; weights without decay are not rescaled. Inputs: weight,
// first moment and second moment, all changed.
class LambOp : public UpdateOp {
 public:
  explicit LambOp(const MomentAttributes& moments) : UpdateOp(moments.update), moments_(moments) {}

  const MomentAttributes& moments() const { return moments_; }

  std::string_view name() const override { return "lamb"; }
  std::string attributes() const override;
  bool mutates(int input) const override { return input < 3; }
  std::span<const Kernel> kernels() const override;

 private:
  MomentAttributes moments_;
};

// Lion (Chen et al., arXiv 2302.06675), whose decay is decoupled. Inputs: weight and moment, both changed.
class LionOp : public UpdateOp {
 public:
  struct Attributes {
    float beta1 = 0.9F;
    float beta2 = 0.99F;
    UpdateAttributes update = {};
  };
  explicit LionOp(Attributes attributes) : UpdateOp(attributes.update), attributes_(attributes) {}

  const Attributes& lion() const { return attributes_; }

  std::string_view name() const override { return "lion"; }
  std::string attributes() const override;
  bool mutates(int input) const override { return input < 2; }
  std::span<const Kernel> kernels() const override;

 private:
  Attributes attributes_;
};

// Muon (Jordan, https://kellerjordan.github.io/posts/muon): Nesterov's momentum, of which five Newton-Schulz iterations
// make a matrix with singular values near 1. The weight {..., out} is the matrix of all its other axes by out, which
// orders them differently from PyTorch's {out, ...} and leads to the same update. It is scaled by
// 0.2 sqrt(larger side), the root mean square of AdamW's updates (Liu et al., arXiv 2502.16982), so that both share
// learning rate and decay, which is decoupled. Inputs: weight and momentum, both changed.
class MuonOp : public UpdateOp {
 public:
  struct Attributes {
    float momentum = 0.95F;
    UpdateAttributes update = {};
  };
  explicit MuonOp(Attributes attributes) : UpdateOp(attributes.update), attributes_(attributes) {}

  // Whether a weight of that shape is such a matrix, as timm decides: neither side under 4 or over 128 times the other,
  // and no depthwise convolution.
  static bool takes(const Shape& weight);

  const Attributes& muon() const { return attributes_; }

  std::string_view name() const override { return "muon"; }
  std::string attributes() const override;
  bool mutates(int input) const override { return input < 2; }
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

// average = d average + (1 - d) value, where d warms up with the updates t before this one as in timm's ModelEmaV3:
// min(decay, 1 - (1 + t)^(-2/3)), so that the first average is the value. Inputs: average, changed; value.
class MovingAverageOp : public Op {
 public:
  explicit MovingAverageOp(double decay) : decay_(decay) {}

  double decay() const { return decay_; }
  // d after t updates.
  static double decay_at(int64_t t, double decay);

  std::string_view name() const override { return "moving_average"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {}; }
  bool mutates(int input) const override { return input == 0; }
  std::span<const Kernel> kernels() const override;

 private:
  double decay_;
};

// After every `every`-th update t of a run of T: slow += (1 - decay^every (t / T)^3) (value - slow), value = slow;
// after the last update: value = slow. Inputs: value and slow, both changed.
class LookaheadOp : public Op {
 public:
  LookaheadOp(int64_t every, double decay) : every_(every), decay_(decay) {}

  int64_t every() const { return every_; }
  double decay() const { return decay_; }

  std::string_view name() const override { return "lookahead"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {}; }
  bool mutates(int) const override { return true; }
  std::span<const Kernel> kernels() const override;

 private:
  int64_t every_;
  double decay_;
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
