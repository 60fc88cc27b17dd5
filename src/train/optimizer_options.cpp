#include "train/optimizer_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>

#include "convoy/error.h"
#include "train/schedule.h"

namespace convoy {
namespace {

using DecayMode = Recipe::DecayMode;

bool cycles_momentum(const Recipe& recipe) {
  return recipe.cycle_momentum && find_schedule(recipe.sched).momentum != nullptr;
}

bool decays_decoupled(const Recipe& recipe) {
  if (recipe.decay_mode == DecayMode::optimizers_own) return find_optimizer(recipe.opt).decoupled;
  return recipe.decay_mode == DecayMode::decoupled;
}

// The text of a setting that is set.
std::string text_of(const Recipe& recipe, std::string_view name) { return *find_recipe_field(name).get(recipe); }

}  // namespace

std::vector<std::string> optimizers_where(const std::function<bool(const Optimizer&)>& holds) {
  std::vector<std::string> names;
  for (const Optimizer& optimizer : optimizers()) {
    if (holds(optimizer)) names.push_back(optimizer.name);
  }
  return names;
}

double base_learning_rate(const Recipe& recipe) {
  if (recipe.lr) return *recipe.lr;
  const Optimizer& optimizer = find_optimizer(recipe.opt);
  const double share = static_cast<double>(recipe.batch_size * recipe.slices.value_or(1) * recipe.grad_accum_steps) /
                       optimizer.lr_images;
  return optimizer.lr * (optimizer.lr_root ? std::sqrt(share) : share);
}

double clip_grad_norm(const Recipe& recipe) { return recipe.clip_grad.value_or(find_optimizer(recipe.opt).clip_grad); }

void settle_optimizer(Recipe& recipe) {
  const Optimizer& optimizer = find_optimizer(recipe.opt);
  recipe.lr = base_learning_rate(recipe);
  recipe.clip_grad = clip_grad_norm(recipe);
  if (!recipe.weight_decay) recipe.weight_decay = optimizer.weight_decay;
  if (!recipe.opt_eps) recipe.opt_eps = optimizer.eps;
  if (cycles_momentum(recipe)) return;
  if (!recipe.momentum) recipe.momentum = optimizer.momentum;
  if (!recipe.opt_betas) recipe.opt_betas = optimizer.betas;
}

OptimizerOptions optimizer_options(const Recipe& recipe) {
  const Optimizer& optimizer = find_optimizer(recipe.opt);
  OptimizerOptions options;
  options.name = recipe.opt;
  options.momentum = static_cast<float>(recipe.momentum.value_or(optimizer.momentum.value_or(0)));
  options.nesterov = recipe.nesterov;
  const std::array<double, 2> betas = recipe.opt_betas.value_or(optimizer.betas.value_or(std::array{0.9, 0.999}));
  options.beta1 = static_cast<float>(betas[0]);
  options.beta2 = static_cast<float>(betas[1]);
  options.eps = static_cast<float>(recipe.opt_eps.value_or(optimizer.eps.value_or(0)));
  options.weight_decay = static_cast<float>(recipe.weight_decay.value_or(optimizer.weight_decay));
  options.decoupled = decays_decoupled(recipe);
  options.decay_vectors = recipe.decay_norms;
  options.norm_bias_lr_scale = static_cast<float>(recipe.bias_lr_scale);
  options.layer_decay = recipe.layer_decay;
  options.head_lr_scale = recipe.head_lr_scale;
  return options;
}

void check_optimizer(const Recipe& recipe) {
  const Optimizer& optimizer = find_optimizer(recipe.opt);
  const auto refuse = [&](std::string_view name, std::string_view hint) {
    throw UsageError(fmt::format("{}: {} does not have it, got {}; {}", name, recipe.opt, text_of(recipe, name), hint));
  };
  if (recipe.momentum && !optimizer.momentum) refuse("momentum", optimizer.betas ? "use opt-betas" : "leave it out");
  if (recipe.opt_betas && !optimizer.betas) refuse("opt-betas", optimizer.momentum ? "use momentum" : "leave it out");
  if (recipe.opt_eps && !optimizer.eps) refuse("opt-eps", "leave it out");
  if (recipe.nesterov && !optimizer.nesterov) {
    const auto who = optimizers_where([](const Optimizer& other) { return other.nesterov; });
    refuse("nesterov", fmt::format("only {} has the choice", fmt::join(who, " or ")));
  }
  if (decays_decoupled(recipe) != optimizer.decoupled && optimizer.other_decay != optimizer.name) {
    refuse("decay-mode", optimizer.other_decay.empty() ? "leave it out" : "use opt " + optimizer.other_decay);
  }
  if (!cycles_momentum(recipe)) return;
  for (const std::string_view name : {"momentum", "opt-betas"}) {
    if (find_recipe_field(name).get(recipe)) {
      throw UsageError(
          fmt::format("{}: expected none beside sched {}, which varies it, got {}; leave it out, or set "
                      "cycle-momentum to false",
                      name, recipe.sched, text_of(recipe, name)));
    }
  }
}

}  // namespace convoy
