// The table of optimizers.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "convoy/error.h"
#include "convoy/optimizer.h"
#include "core/text.h"
#include "ops/optimizer/optimizer.h"

namespace convoy {
namespace {

UpdateAttributes common(const WeightUpdate& weight) {
  return {.weight_decay = weight.weight_decay,
          .decoupled = weight.decoupled,
          .lr_scale = weight.lr_scale,
          .first = weight.first};
}

MomentAttributes moments(const WeightUpdate& weight) {
  return {weight.beta1, weight.beta2, weight.eps, common(weight)};
}

// Without momentum, there is none to keep.
OptimizerState momentum_state(const WeightUpdate& weight) { return {weight.momentum == 0 ? "" : "momentum"}; }

UpdateRule sgd(const WeightUpdate& weight) {
  return {std::make_shared<SgdOp>(SgdOp::Attributes{weight.momentum, weight.nesterov, common(weight)}),
          {momentum_state(weight)}};
}

UpdateRule adam(const WeightUpdate& weight) {
  return {std::make_shared<AdamOp>(moments(weight)), {{"moment1"}, {"moment2"}}};
}

UpdateRule rmsprop_of(const WeightUpdate& weight, bool tensorflow) {
  return {std::make_shared<RmspropOp>(RmspropOp::Attributes{
              .tensorflow = tensorflow, .momentum = weight.momentum, .eps = weight.eps, .update = common(weight)}),
          {{"moment2", tensorflow ? 1.0F : 0.0F}, momentum_state(weight)}};
}
UpdateRule rmsprop(const WeightUpdate& weight) { return rmsprop_of(weight, false); }
UpdateRule rmsproptf(const WeightUpdate& weight) { return rmsprop_of(weight, true); }

UpdateRule lamb(const WeightUpdate& weight) {
  return {std::make_shared<LambOp>(moments(weight)), {{"moment1"}, {"moment2"}}};
}

UpdateRule lion(const WeightUpdate& weight) {
  return {std::make_shared<LionOp>(LionOp::Attributes{weight.beta1, weight.beta2, common(weight)}), {{"moment1"}}};
}

// For the matrices within a network; all else is AdamW's.
UpdateRule muon(const WeightUpdate& weight) {
  if (!MuonOp::takes(weight.shape) || weight.role == Role::head_weight) return adam(weight);
  return {std::make_shared<MuonOp>(MuonOp::Attributes{weight.momentum, common(weight)}), {{"momentum"}}};
}

constexpr std::array kAdamBetas = {0.9, 0.999};

// The defaults are the published choices: Goyal et al. (arXiv 1706.02677) for sgd; Kingma and Ba for adam;
// torchvision's MobileNetV3 for rmsprop; EfficientNet (arXiv 1905.11946) for rmsproptf; timm's ResNets (arXiv
// 2110.00476) for lamb; for lion a tenth of adamw's rate; for muon adamw's rate, to which Liu et al. (arXiv 2502.16982)
// match its updates, and Jordan's other defaults.
std::deque<Optimizer> built_in_optimizers() {
  return {{.name = "sgd",
           .description = "stochastic gradient descent, as torch.optim.SGD",
           .lr = 0.1,
           .lr_images = 256,
           .lr_root = false,
           .momentum = 0.9,
           .other_decay = "sgd",
           .nesterov = true,
           .update = sgd},
          {.name = "adam",
           .description = "Kingma and Ba, arXiv 1412.6980",
           .betas = kAdamBetas,
           .eps = 1e-8,
           .other_decay = "adamw",
           .update = adam},
          {.name = "adamw",
           .description = "Loshchilov and Hutter, arXiv 1711.05101",
           .betas = kAdamBetas,
           .eps = 1e-8,
           .weight_decay = 0.01,
           .decoupled = true,
           .other_decay = "adam",
           .update = adam},
          {.name = "rmsprop",
           .description = "as torch.optim.RMSprop",
           .lr = 0.016,
           .lr_images = 256,
           .lr_root = false,
           .momentum = 0.9,
           .eps = 0.0316,
           .other_decay = "rmsprop",
           .update = rmsprop},
          {.name = "rmsproptf",
           .description = "TensorFlow's RMSprop, as timm's RMSpropTF",
           .lr = 0.016,
           .lr_images = 256,
           .lr_root = false,
           .momentum = 0.9,
           .eps = 1e-3,
           .other_decay = "rmsproptf",
           .update = rmsproptf},
          {.name = "lamb",
           .description = "You et al., arXiv 1904.00962, as timm's Lamb",
           .lr = 0.005,
           .lr_images = 2048,
           .betas = kAdamBetas,
           .eps = 1e-6,
           .clip_grad = 1,
           .other_decay = "lamb",
           .update = lamb},
          {.name = "lion",
           .description = "Chen et al., arXiv 2302.06675",
           .lr = 1e-4,
           .lr_images = 256,
           .betas = std::array{0.9, 0.99},
           .weight_decay = 0.01,
           .decoupled = true,
           .update = lion},
          {.name = "muon",
           .description = "Jordan, https://kellerjordan.github.io/posts/muon, with adamw for all but inner matrices",
           .lr_images = 256,
           .momentum = 0.95,
           .betas = std::array{0.9, 0.95},
           .eps = 1e-10,
           .weight_decay = 0.01,
           .decoupled = true,
           .update = muon}};
}

std::deque<Optimizer>& registry() {
  static std::deque<Optimizer> all = built_in_optimizers();
  return all;
}

}  // namespace

const std::deque<Optimizer>& optimizers() { return registry(); }

const Optimizer& find_optimizer(std::string_view name) {
  std::vector<std::string> names;
  for (const Optimizer& optimizer : optimizers()) {
    if (optimizer.name == name) return optimizer;
    names.push_back(optimizer.name);
  }
  throw UsageError(unknown_name("optimizer", name, names));
}

void add_optimizer(Optimizer optimizer) {
  if (std::ranges::find(optimizers(), optimizer.name, &Optimizer::name) != optimizers().end()) {
    throw InternalError(fmt::format("there is already an optimizer named '{}'", optimizer.name));
  }
  registry().push_back(std::move(optimizer));
}

}  // namespace convoy
