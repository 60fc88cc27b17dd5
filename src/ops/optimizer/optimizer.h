// The ops that change parameters and what an optimizer keeps beside them. They have no outputs but the clipping factor.
#pragma once

#include "convoy/op.h"

namespace convoy {

// What every optimizer has.
struct UpdateAttributes {
  float weight_decay = 0;
  bool decoupled = false;  // the weight shrinks by rate weight_decay of itself; else the decay is part of the gradient
  float lr_scale = 1;      // factor of the learning rate
  int64_t first = 0;       // updates made before the first of this weight, which bias corrections do not count

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("weight_decay", self.weight_decay);
    visit("decoupled", self.decoupled, false);
    visit("lr_scale", self.lr_scale, 1);
    visit("first", self.first, 0);
  }
};

// Inputs: the weight; the optimizer's state, all shaped like it; the gradient; the scalar that the gradient is
// multiplied by, or absent. Weight and state are changed.
class UpdateOp : public Op {
 public:
  virtual const UpdateAttributes& update() const = 0;
  // The rate of the update, the decay that is added to the gradient, and the factor that the weight keeps.
  float rate(const StepScalars& step) const { return step.learning_rate * update().lr_scale; }
  float l2() const { return update().decoupled ? 0 : update().weight_decay; }
  float keep(const StepScalars& step) const;

  bool mutates(int input) const override { return input < static_cast<int>(slots().size()) - 2; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
};

// The optimizer's own momentum or first beta, unless the schedule varies it.
inline float momentum_now(float own, const StepScalars& step) { return step.momentum < 0 ? own : step.momentum; }

// torch.optim.SGD with dampening 0. Momentum is absent when `momentum` is 0.
class SgdOp : public OpOf<SgdOp, UpdateOp> {
 public:
  static constexpr std::string_view kName = "sgd";
  static constexpr Slot kSlots[] = {
      {"weight"}, {"momentum", Slot::Kind::optional}, {"grad_weight"}, {"grad_scale", Slot::Kind::optional}};
  struct Attributes {
    float momentum = 0.9F;
    bool nesterov = false;
    UpdateAttributes update = {};
  };

  SgdOp() = default;
  explicit SgdOp(const Attributes& attributes) : attributes_(attributes) {}

  const Attributes& sgd() const { return attributes_; }
  const UpdateAttributes& update() const override { return attributes_.update; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("momentum", self.attributes_.momentum);
    visit("nesterov", self.attributes_.nesterov, false);
    UpdateAttributes::describe(self.attributes_.update, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  Attributes attributes_;
};

// The decay rates of two moments.
struct MomentAttributes {
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float eps = 1e-8F;
  UpdateAttributes update = {};

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("beta1", self.beta1);
    visit("beta2", self.beta2);
    visit("eps", self.eps);
    UpdateAttributes::describe(self.update, visit);
  }
};

// Adam (Kingma and Ba, arXiv 1412.6980) and, where decoupled, AdamW (Loshchilov and Hutter, arXiv 1711.05101), as
// torch.optim computes them.
class AdamOp : public OpOf<AdamOp, UpdateOp> {
 public:
  static constexpr std::string_view kName = "adam";
  static constexpr Slot kSlots[] = {
      {"weight"}, {"first_moment"}, {"second_moment"}, {"grad_weight"}, {"grad_scale", Slot::Kind::optional}};

  explicit AdamOp(const MomentAttributes& moments = {}) : moments_(moments) {}

  const MomentAttributes& moments() const { return moments_; }
  const UpdateAttributes& update() const override { return moments_.update; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    MomentAttributes::describe(self.moments_, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  MomentAttributes moments_;
};

// torch.optim.RMSprop, or TensorFlow's as timm's RMSpropTF has it: epsilon within the root, the learning rate within
// the momentum, and a second moment that is to start at 1. Momentum is absent when `momentum` is 0.
class RmspropOp : public OpOf<RmspropOp, UpdateOp> {
 public:
  static constexpr std::string_view kName = "rmsprop";
  static constexpr Slot kSlots[] = {{"weight"},
                                    {"second_moment"},
                                    {"momentum", Slot::Kind::optional},
                                    {"grad_weight"},
                                    {"grad_scale", Slot::Kind::optional}};
  struct Attributes {
    bool tensorflow = false;
    float alpha = 0.9F;  // as timm and the EfficientNet paper
    float momentum = 0.9F;
    float eps = 1e-8F;
    UpdateAttributes update = {};
  };

  RmspropOp() = default;
  explicit RmspropOp(const Attributes& attributes) : attributes_(attributes) {}

  const Attributes& rmsprop() const { return attributes_; }
  const UpdateAttributes& update() const override { return attributes_.update; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("tensorflow", self.attributes_.tensorflow, false);
    visit("alpha", self.attributes_.alpha);
    visit("momentum", self.attributes_.momentum);
    visit("eps", self.attributes_.eps);
    UpdateAttributes::describe(self.attributes_.update, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  Attributes attributes_;
};

// LAMB (You et al., arXiv 1904.00962) as timm's: Adam's direction, to which a decay that is not decoupled is added,
// times the norm of the weight over that of the direction; weights without decay are not rescaled.
class LambOp : public OpOf<LambOp, UpdateOp> {
 public:
  static constexpr std::string_view kName = "lamb";
  static constexpr auto& kSlots = AdamOp::kSlots;

  explicit LambOp(const MomentAttributes& moments = {}) : moments_(moments) {}

  const MomentAttributes& moments() const { return moments_; }
  const UpdateAttributes& update() const override { return moments_.update; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    MomentAttributes::describe(self.moments_, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  MomentAttributes moments_;
};

// Lion (Chen et al., arXiv 2302.06675), whose decay is decoupled.
class LionOp : public OpOf<LionOp, UpdateOp> {
 public:
  static constexpr std::string_view kName = "lion";
  static constexpr Slot kSlots[] = {{"weight"}, {"moment"}, {"grad_weight"}, {"grad_scale", Slot::Kind::optional}};
  struct Attributes {
    float beta1 = 0.9F;
    float beta2 = 0.99F;
    UpdateAttributes update = {};
  };

  LionOp() = default;
  explicit LionOp(const Attributes& attributes) : attributes_(attributes) {}

  const Attributes& lion() const { return attributes_; }
  const UpdateAttributes& update() const override { return attributes_.update; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("beta1", self.attributes_.beta1);
    visit("beta2", self.attributes_.beta2);
    UpdateAttributes::describe(self.attributes_.update, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  Attributes attributes_;
};

// Muon (Jordan, https://kellerjordan.github.io/posts/muon): Nesterov's momentum, of which five Newton-Schulz iterations
// make a matrix with singular values near 1. The weight {..., out} is the matrix of all its other axes by out, which
// orders them differently from PyTorch's {out, ...} and leads to the same update. It is scaled by
// 0.2 sqrt(larger side), the root mean square of AdamW's updates (Liu et al., arXiv 2502.16982), so that both share
// learning rate and decay, which is decoupled.
class MuonOp : public OpOf<MuonOp, UpdateOp> {
 public:
  static constexpr std::string_view kName = "muon";
  static constexpr Slot kSlots[] = {{"weight"}, {"momentum"}, {"grad_weight"}, {"grad_scale", Slot::Kind::optional}};
  struct Attributes {
    float momentum = 0.95F;
    UpdateAttributes update = {};
  };

  MuonOp() = default;
  explicit MuonOp(const Attributes& attributes) : attributes_(attributes) {}

  // Whether a weight of that shape is such a matrix, as timm decides: neither side under 4 or over 128 times the other,
  // and no depthwise convolution.
  static bool takes(const Shape& weight);

  const Attributes& muon() const { return attributes_; }
  const UpdateAttributes& update() const override { return attributes_.update; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("momentum", self.attributes_.momentum);
    UpdateAttributes::describe(self.attributes_.update, visit);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  Attributes attributes_;
};

// Inputs: any number of gradients. Output: the scalar min(1, max_norm / (norm + 1e-6)) for the L2 norm of them all, as
// torch.nn.utils.clip_grad_norm_.
class ClipFactorOp : public OpOf<ClipFactorOp> {
 public:
  static constexpr std::string_view kName = "clip_factor";
  static constexpr Slot kSlots[] = {{"gradient", Slot::Kind::many}};

  explicit ClipFactorOp(float max_norm = 1) : max_norm_(max_norm) {}

  float max_norm() const { return max_norm_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("max_norm", self.max_norm_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  float max_norm_;
};

// average = d average + (1 - d) value, where d warms up with the updates t before this one as in timm's ModelEmaV3:
// min(decay, 1 - (1 + t)^(-2/3)), so that the first average is the value. The average is changed.
class MovingAverageOp : public OpOf<MovingAverageOp> {
 public:
  static constexpr std::string_view kName = "moving_average";
  static constexpr Slot kSlots[] = {{"average"}, {"value"}};

  explicit MovingAverageOp(double decay = 0.9999) : decay_(decay) {}

  double decay() const { return decay_; }
  // d after t updates.
  static double decay_at(int64_t t, double decay);

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("decay", self.decay_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  bool mutates(int input) const override { return input == 0; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  double decay_;
};

// After every `every`-th update t of a run of T: slow += (1 - decay^every (t / T)^3) (value - slow), value = slow;
// after the last update: value = slow. Both are changed.
class LookaheadOp : public OpOf<LookaheadOp> {
 public:
  static constexpr std::string_view kName = "lookahead";
  static constexpr Slot kSlots[] = {{"value"}, {"slow"}};

  explicit LookaheadOp(int64_t every = 5, double decay = 0.95) : every_(every), decay_(decay) {}

  int64_t every() const { return every_; }
  double decay() const { return decay_; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("every", self.every_);
    visit("decay", self.decay_);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  bool mutates(int) const override { return true; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;

 private:
  int64_t every_;
  double decay_;
};

// total += term. The total is changed.
class AccumulateOp : public OpOf<AccumulateOp> {
 public:
  static constexpr std::string_view kName = "accumulate";
  static constexpr Slot kSlots[] = {{"total"}, {"term"}};

  template <class Self, class Visitor>
  static void describe(Self&, Visitor&) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  bool mutates(int input) const override { return input == 0; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

// Sets its input to zero.
class ClearOp : public OpOf<ClearOp> {
 public:
  static constexpr std::string_view kName = "clear";
  static constexpr Slot kSlots[] = {{"total"}};

  template <class Self, class Visitor>
  static void describe(Self&, Visitor&) {}
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {}; }
  bool mutates(int) const override { return true; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars& step) const override;
};

}  // namespace convoy
