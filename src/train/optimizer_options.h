// The optimizer of a recipe: what it has settings for, and their values where the recipe leaves them open.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "convoy/optimizer.h"
#include "convoy/recipe.h"
#include "train/step.h"

namespace convoy {

// Their names, in the order of optimizers().
std::vector<std::string> optimizers_where(const std::function<bool(const Optimizer&)>& holds);

// The rate that a recipe asks for, or its optimizer's for the images of an update.
double base_learning_rate(const Recipe& recipe);

// Sets lr, momentum, opt-betas, opt-eps and clip-grad where they are unset and the optimizer has them;
// not what sched onecycle varies.
void settle_optimizer(Recipe& recipe);

OptimizerOptions optimizer_options(const Recipe& recipe);
double clip_grad_norm(const Recipe& recipe);

// Throws UsageError for a setting that the optimizer does not have.
void check_optimizer(const Recipe& recipe);

}  // namespace convoy
