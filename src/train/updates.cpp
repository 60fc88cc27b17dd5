#include "train/updates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "ops/optimizer/optimizer.h"
#include "train/layer_groups.h"

namespace convoy {
namespace {

using Optimizer = Recipe::Optimizer;

constexpr const char* kSlow = "slow/";

std::string average_of(const std::string& name) { return fmt::format("{}.{}", kAverageScope, name); }

// What the updates of one step share.
struct UpdateRules {
  const StepOptions& options;
  const ParameterRoles& roles;
  const std::map<std::string, double>& scales;
};

UpdateAttributes update_of(const UpdateRules& rules, const ValueInfo& weight) {
  const OptimizerOptions& options = rules.options.optimizer;
  const bool decays = options.decay_vectors || weight.type.shape.rank() > 1;
  UpdateAttributes update{.weight_decay = decays ? options.weight_decay : 0, .decoupled = options.decoupled};
  if (const auto scale = rules.scales.find(weight.name); scale != rules.scales.end()) {
    update.lr_scale = static_cast<float>(scale->second);
  }
  if (rules.roles.norm_biases.contains(weight.name) && options.norm_bias_lr_scale > 0) {
    update.weight_decay /= options.norm_bias_lr_scale;
  }
  if (rules.roles.norm_biases.contains(weight.name)) update.lr_scale *= options.norm_bias_lr_scale;
  if (rules.options.thawed.contains(weight.name)) update.first = rules.options.thawed_after;
  return update;
}

// Muon is for the matrices within a network; all else is AdamW's.
Optimizer optimizer_for(const OptimizerOptions& options, const ParameterRoles& roles, const ValueInfo& weight) {
  if (options.kind != Optimizer::muon) return options.kind;
  const bool fits = MuonOp::takes(weight.type.shape) && weight.name != roles.output_weight;
  return fits ? Optimizer::muon : Optimizer::adamw;
}

void add_update(Graph& graph, const UpdateRules& rules, ValueId weight, ValueId gradient, ValueId factor) {
  const OptimizerOptions& options = rules.options.optimizer;
  const ValueInfo info = graph.value(weight);
  UpdateAttributes update = update_of(rules, info);
  const auto state = [&](const char* kind, float start = 0) { return add_state_like(graph, kind, weight, start); };
  const auto add = [&](std::shared_ptr<const Op> op, std::vector<ValueId> inputs) {
    inputs.insert(inputs.end(), {gradient, factor});
    graph.add_node(std::move(op), std::move(inputs));
  };
  const Optimizer optimizer = optimizer_for(options, rules.roles, info);
  const MomentAttributes moments{options.beta1, options.beta2, options.eps, update};
  switch (optimizer) {
    case Optimizer::sgd: {
      const ValueId momentum = options.momentum == 0 ? kNoValue : state("momentum");
      return add(std::make_shared<SgdOp>(SgdOp::Attributes{options.momentum, options.nesterov, update}),
                 {weight, momentum});
    }
    case Optimizer::adam:
    case Optimizer::adamw: {
      MomentAttributes attributes = moments;
      attributes.update.decoupled = optimizer == Optimizer::adamw;
      return add(std::make_shared<AdamOp>(attributes), {weight, state("moment1"), state("moment2")});
    }
    case Optimizer::rmsprop:
    case Optimizer::rmsproptf: {
      const bool tensorflow = optimizer == Optimizer::rmsproptf;
      const RmspropOp::Attributes attributes{
          .tensorflow = tensorflow, .momentum = options.momentum, .eps = options.eps, .update = update};
      return add(std::make_shared<RmspropOp>(attributes), {weight, state("moment2", tensorflow ? 1.0F : 0.0F),
                                                           options.momentum == 0 ? kNoValue : state("momentum")});
    }
    case Optimizer::lamb: return add(std::make_shared<LambOp>(moments), {weight, state("moment1"), state("moment2")});
    case Optimizer::lion:
      update.decoupled = true;
      return add(std::make_shared<LionOp>(LionOp::Attributes{options.beta1, options.beta2, update}),
                 {weight, state("moment1")});
    case Optimizer::muon:
      update.decoupled = true;
      return add(std::make_shared<MuonOp>(MuonOp::Attributes{options.momentum, update}), {weight, state("momentum")});
  }
}

void start_follower(const Variables& variables, const std::string& follower, const std::string& leader) {
  if (!variables.contains(follower)) return;
  const Variables::Variable& source = variables.at(leader);
  std::copy_n(source.data, source.shape.elements(), variables.at(follower).data);
}

}  // namespace

ParameterRoles roles_of(const Graph& forward) {
  constexpr size_t kBias = 2;  // of every norm
  ParameterRoles roles;
  for (const Node& node : forward.nodes()) {
    if (!node.op->name().ends_with("_norm") || node.inputs[kBias] == kNoValue) continue;
    roles.norm_biases.insert(forward.value(node.inputs[kBias]).name);
  }
  for (const ValueId id : forward.parameters()) {
    if (forward.value(id).layout == FileLayout::linear) roles.output_weight = forward.value(id).name;
  }
  return roles;
}

ValueId add_state_like(Graph& graph, const std::string& kind, ValueId like, float start) {
  return graph.add_state(kind + "/" + graph.value(like).name, graph.value(like).type.shape,
                         Initializer::constant(start));
}

std::map<std::string, double> learning_rate_scales(const Graph& forward, const OptimizerOptions& options) {
  std::map<std::string, double> scales;
  if (options.layer_decay == 1 && options.head_lr_scale == 1) return scales;
  const std::string output = roles_of(forward).output_weight;
  const std::string head = output.substr(0, output.rfind('.') + 1);
  const std::map<std::string, int64_t> layers = layers_of(forward);
  int64_t last = 0;
  for (const auto& [name, layer] : layers) last = std::max(last, layer);
  for (const auto& [name, layer] : layers) {
    scales[name] = std::pow(options.layer_decay, static_cast<double>(last - layer)) *
                   (name.starts_with(head) ? options.head_lr_scale : 1);
  }
  return scales;
}

void add_updates(Graph& graph, const StepOptions& options, const ParameterRoles& roles,
                 const std::map<std::string, double>& scales, const Gradients& gradients) {
  ValueId factor = kNoValue;
  if (options.clip_grad_norm > 0) {
    std::vector<ValueId> all;
    for (const auto& [weight, gradient] : gradients) all.push_back(gradient);
    factor = graph.add_node(std::make_shared<ClipFactorOp>(options.clip_grad_norm), all)[0];
  }
  const UpdateRules rules{options, roles, scales};
  for (const auto& [weight, gradient] : gradients) add_update(graph, rules, weight, gradient, factor);
}

void add_followers(Graph& graph, const StepOptions& options, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const ValueId id = graph.named(name);
    const ValueInfo info = graph.value(id);
    if (options.lookahead.every > 0) {
      const ValueId slow = graph.add_state(kSlow + name, info.type.shape, Initializer::constant(0));
      graph.add_node(std::make_shared<LookaheadOp>(options.lookahead.every, options.lookahead.decay), {id, slow});
    }
    if (options.ema_decay > 0) {
      const ValueId average = graph.add_state(average_of(name), info.type.shape, Initializer::constant(0));
      graph.add_node(std::make_shared<MovingAverageOp>(options.ema_decay), {average, id});
    }
  }
}

bool have_followers(const Variables& variables, const std::string& name) {
  return variables.contains(kSlow + name) || variables.contains(average_of(name));
}

void start_followers(const Variables& variables, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    start_follower(variables, kSlow + name, name);
    start_follower(variables, average_of(name), name);
  }
}

}  // namespace convoy
