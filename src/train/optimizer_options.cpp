#include "train/optimizer_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"

namespace convoy {
namespace {

using Optimizer = Recipe::Optimizer;
using DecayMode = Recipe::DecayMode;

struct Traits {
  Optimizer optimizer;
  // The learning rate for updates of `images` images; for n of them it is n / images times that, or the root of it.
  double lr, images;
  bool root;
  std::optional<double> momentum;
  std::optional<std::array<double, 2>> betas;
  std::optional<double> eps;
  DecayMode decay;  // the usual one
  double weight_decay;
  bool other_decay = false;  // has both
};

// The published choices: Goyal et al. (arXiv 1706.02677) for sgd; Kingma and Ba for adam; torchvision's MobileNetV3 for
// rmsprop; EfficientNet (arXiv 1905.11946) for rmsproptf; timm's ResNets (arXiv 2110.00476) for lamb; Chen et al.
// (arXiv 2302.06675) for lion, whose rate is a tenth of adamw's; for muon adamw's rate, to which Liu et al.
// (arXiv 2502.16982) match its updates, and Jordan's other defaults.
constexpr std::array kAdamBetas = {0.9, 0.999};
constexpr Traits kTraits[] = {
    {Optimizer::sgd, 0.1, 256, false, 0.9, {}, {}, DecayMode::l2, 1e-4, true},
    {Optimizer::adam, 0.001, 32, true, {}, kAdamBetas, 1e-8, DecayMode::l2, 1e-4},
    {Optimizer::adamw, 0.001, 32, true, {}, kAdamBetas, 1e-8, DecayMode::decoupled, 0.01},
    {Optimizer::rmsprop, 0.016, 256, false, 0.9, {}, 0.0316, DecayMode::l2, 1e-4, true},
    {Optimizer::rmsproptf, 0.016, 256, false, 0.9, {}, 1e-3, DecayMode::l2, 1e-4, true},
    {Optimizer::lamb, 0.005, 2048, true, {}, kAdamBetas, 1e-6, DecayMode::l2, 1e-4, true},
    {Optimizer::lion, 1e-4, 256, true, {}, std::array{0.9, 0.99}, {}, DecayMode::decoupled, 0.01},
    {Optimizer::muon, 0.001, 256, true, 0.95, std::array{0.9, 0.95}, 1e-10, DecayMode::decoupled, 0.01},
};
constexpr double kLambClip = 1;

const Traits& traits_of(Optimizer optimizer) {
  return *std::ranges::find(kTraits, optimizer, [](const Traits& traits) { return traits.optimizer; });
}

bool cycles_momentum(const Recipe& recipe) {
  return recipe.sched == Recipe::Schedule::onecycle && recipe.cycle_momentum;
}

DecayMode decay_of(const Recipe& recipe) {
  return recipe.decay_mode == DecayMode::optimizers_own ? traits_of(recipe.opt).decay : recipe.decay_mode;
}

// The text of a setting that is set.
std::string text_of(const Recipe& recipe, std::string_view name) { return *find_recipe_field(name).get(recipe); }

}  // namespace

double base_learning_rate(const Recipe& recipe) {
  if (recipe.lr) return *recipe.lr;
  const Traits& traits = traits_of(recipe.opt);
  const double share = static_cast<double>(recipe.batch_size * recipe.grad_accum_steps) / traits.images;
  return traits.lr * (traits.root ? std::sqrt(share) : share);
}

double clip_grad_norm(const Recipe& recipe) {
  return recipe.clip_grad.value_or(recipe.opt == Optimizer::lamb ? kLambClip : 0);
}

void settle_optimizer(Recipe& recipe) {
  const Traits& traits = traits_of(recipe.opt);
  recipe.lr = base_learning_rate(recipe);
  recipe.clip_grad = clip_grad_norm(recipe);
  if (!recipe.weight_decay) recipe.weight_decay = traits.weight_decay;
  if (!recipe.opt_eps) recipe.opt_eps = traits.eps;
  if (cycles_momentum(recipe)) return;
  if (!recipe.momentum) recipe.momentum = traits.momentum;
  if (!recipe.opt_betas) recipe.opt_betas = traits.betas;
}

OptimizerOptions optimizer_options(const Recipe& recipe) {
  const Traits& traits = traits_of(recipe.opt);
  OptimizerOptions options;
  options.kind = recipe.opt;
  options.momentum = static_cast<float>(recipe.momentum.value_or(traits.momentum.value_or(0)));
  options.nesterov = recipe.nesterov;
  const std::array<double, 2> betas = recipe.opt_betas.value_or(traits.betas.value_or(kAdamBetas));
  options.beta1 = static_cast<float>(betas[0]);
  options.beta2 = static_cast<float>(betas[1]);
  options.eps = static_cast<float>(recipe.opt_eps.value_or(traits.eps.value_or(0)));
  options.weight_decay = static_cast<float>(recipe.weight_decay.value_or(traits.weight_decay));
  options.decoupled = decay_of(recipe) == DecayMode::decoupled;
  options.decay_vectors = recipe.decay_norms;
  options.norm_bias_lr_scale = static_cast<float>(recipe.bias_lr_scale);
  options.layer_decay = recipe.layer_decay;
  options.head_lr_scale = recipe.head_lr_scale;
  return options;
}

void check_optimizer(const Recipe& recipe) {
  const Traits& traits = traits_of(recipe.opt);
  const std::string opt = text_of(recipe, "opt");
  const auto refuse = [&](std::string_view name, std::string_view hint) {
    throw UsageError(fmt::format("{}: {} does not have it, got {}; {}", name, opt, text_of(recipe, name), hint));
  };
  if (recipe.momentum && !traits.momentum) refuse("momentum", traits.betas ? "use opt-betas" : "leave it out");
  if (recipe.opt_betas && !traits.betas) refuse("opt-betas", "use momentum");
  if (recipe.opt_eps && !traits.eps) refuse("opt-eps", "leave it out");
  if (recipe.nesterov && recipe.opt != Optimizer::sgd) refuse("nesterov", "only sgd has the choice");
  if (decay_of(recipe) != traits.decay && !traits.other_decay) {
    const std::string_view hint = recipe.opt == Optimizer::adam    ? "use opt adamw"
                                  : recipe.opt == Optimizer::adamw ? "use opt adam"
                                                                   : "leave it out";
    refuse("decay-mode", hint);
  }
  if (!cycles_momentum(recipe)) return;
  for (const std::string_view name : {"momentum", "opt-betas"}) {
    if (find_recipe_field(name).get(recipe)) {
      throw UsageError(
          fmt::format("{}: expected none beside sched onecycle, which varies it, got {}; leave it out, or "
                      "set cycle-momentum to false",
                      name, text_of(recipe, name)));
    }
  }
}

}  // namespace convoy
