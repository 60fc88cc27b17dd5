// The optimizers that recipes name, and how a program adds its own.
//
// Threads: names are looked up from several at once; add_optimizer() may not run beside that.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/builder.h"
#include "convoy/export_macro.h"
#include "convoy/op.h"
#include "convoy/shape.h"

namespace convoy {

// One weight, and the settings of its updates.
struct WeightUpdate {
  Shape shape;
  Role role = Role::other;
  // The recipe's, or the optimizer's own; what it does not have means nothing.
  float momentum = 0;
  float beta1 = 0;
  float beta2 = 0;
  float eps = 0;
  bool nesterov = false;
  float weight_decay = 0;  // 0 where the weight does not decay
  bool decoupled = false;  // the weight shrinks by rate weight_decay of itself; else the decay is part of the gradient
  float lr_scale = 1;      // factor of the learning rate
  int64_t first = 0;       // updates made before the first of this weight, which bias corrections should not count
};

// A tensor, shaped like the weight, that an optimizer keeps beside it as "<name>/<weight>". Without a name: absent.
struct OptimizerState {
  std::string name;
  float start = 0;
};

// What updates one weight.
struct UpdateRule {
  // One of the program's own is made known by add_op (convoy/own_op.h). Its inputs are the weight, the states, the
  // gradient, and a scalar to multiply the gradient by, which is absent where gradients are not clipped; it changes
  // weight and states, and has no outputs. Schedules vary the learning rate and the momentum, or first beta, by
  // StepScalars.
  std::shared_ptr<const Op> op;
  std::vector<OptimizerState> states;
};

struct Optimizer {
  std::string name;
  std::string description;  // one line, with the paper
  // What a recipe that leaves it open gets. The rate is for updates of `lr_images` images; for n of them it is
  // n / lr_images times that, or the root of it.
  double lr = 0.001;
  double lr_images = 32;
  bool lr_root = true;
  // Unset: it has no such setting.
  std::optional<double> momentum = {};
  std::optional<std::array<double, 2>> betas = {};
  std::optional<double> eps = {};
  double weight_decay = 1e-4;
  bool decoupled = false;
  double clip_grad = 0;
  // Who has the other kind of decay: its own name if it knows both, or that of its like; empty: nobody.
  std::string other_decay = {};
  bool nesterov = false;  // whether it has the choice
  std::function<UpdateRule(const WeightUpdate&)> update;
};

// All known optimizers. They stay where they are when others are added.
CONVOY_API const std::deque<Optimizer>& optimizers();

// Throws UsageError, with the nearest known name, when there is none.
CONVOY_API const Optimizer& find_optimizer(std::string_view name);

// Makes an optimizer of the program's own known to recipes, as what `opt` may be. Not while another thread uses
// optimizers(). Throws Error when the name is taken.
CONVOY_API void add_optimizer(Optimizer optimizer);

}  // namespace convoy
