#include "train/updates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "convoy/error.h"
#include "convoy/optimizer.h"
#include "inference/inference_step.h"
#include "ops/optimizer/optimizer.h"
#include "ops/sum/sum.h"
#include "train/layer_groups.h"
#include "train/rank_sums.h"

namespace convoy {
namespace {

constexpr const char* kSlow = "slow/";

std::string average_of(const std::string& name) { return fmt::format("{}.{}", kAverageScope, name); }

// What the updates of one step share.
struct UpdateRules {
  const StepOptions& options;
  const std::map<std::string, double>& scales;
  const Optimizer& optimizer;
};

WeightUpdate update_of(const UpdateRules& rules, const ValueInfo& weight) {
  const OptimizerOptions& options = rules.options.optimizer;
  const bool decays = options.decay_vectors || weight.type.shape.rank() > 1;
  const bool chooses_decay = rules.optimizer.other_decay == rules.optimizer.name;
  WeightUpdate update{.shape = weight.type.shape,
                      .role = weight.role,
                      .momentum = options.momentum,
                      .beta1 = options.beta1,
                      .beta2 = options.beta2,
                      .eps = options.eps,
                      .nesterov = options.nesterov,
                      .weight_decay = decays ? options.weight_decay : 0,
                      .decoupled = chooses_decay ? options.decoupled : rules.optimizer.decoupled};
  if (const auto scale = rules.scales.find(weight.name); scale != rules.scales.end()) {
    update.lr_scale = static_cast<float>(scale->second);
  }
  if (weight.role == Role::norm_bias) {
    if (options.norm_bias_lr_scale > 0) update.weight_decay /= options.norm_bias_lr_scale;
    update.lr_scale *= options.norm_bias_lr_scale;
  }
  if (rules.options.thawed.contains(weight.name)) update.first = rules.options.thawed_after;
  return update;
}

void add_update(Graph& graph, const UpdateRules& rules, ValueId weight, ValueId gradient, ValueId factor) {
  UpdateRule rule = rules.optimizer.update(update_of(rules, graph.value(weight)));
  std::vector<ValueId> inputs{weight};
  for (const OptimizerState& state : rule.states) {
    inputs.push_back(state.name.empty() ? kNoValue : add_state_like(graph, state.name, weight, state.start));
  }
  inputs.insert(inputs.end(), {gradient, factor});
  graph.add_node(std::move(rule.op), std::move(inputs));
}

void start_follower(const Variables& variables, const std::string& follower, const std::string& leader) {
  if (!variables.contains(follower)) return;
  std::vector<float> scratch;
  variables.write(follower, variables.elements(leader, scratch));
}

}  // namespace

ValueId add_state_like(Graph& graph, const std::string& kind, ValueId like, float start) {
  return graph.add_state(kind + "/" + graph.value(like).name, graph.value(like).type.shape,
                         Initializer::constant(start));
}

std::map<std::string, double> learning_rate_scales(const Graph& forward, const OptimizerOptions& options) {
  std::map<std::string, double> scales;
  if (options.layer_decay == 1 && options.head_lr_scale == 1) return scales;
  const std::string head = head_place(forward);
  if (head.empty() && options.head_lr_scale != 1) {
    throw UsageError("head-lr-scale: the network does not say which of its layers is the head");
  }
  const std::map<std::string, int64_t> layers = layers_of(forward);
  int64_t last = 0;
  for (const auto& [name, layer] : layers) last = std::max(last, layer);
  for (const auto& [name, layer] : layers) {
    scales[name] = std::pow(options.layer_decay, static_cast<double>(last - layer)) *
                   (!head.empty() && name.starts_with(head + ".") ? options.head_lr_scale : 1);
  }
  return scales;
}

ValueId import_variable(Graph& graph, const Graph& from, const std::string& name) {
  if (const ValueId there = graph.find_named(name); there != kNoValue) return there;
  const ValueInfo& info = from.value(from.named(name));
  return info.kind == ValueKind::parameter
             ? graph.add_parameter(info.name, info.type.shape, info.start, info.layout, info.role)
             : graph.add_state(info.name, info.type.shape, info.start, info.layout);
}

Gradients accumulate(Graph& graph, World* world, const Gradients& gradients) {
  Gradients terms = gradients, totals;
  for (const auto& [weight, gradient] : gradients)
    totals.emplace_back(weight, add_state_like(graph, "gradient", weight));
  if (world != nullptr) {
    const std::vector<size_t> order = backward_order(graph, gradients);
    // The totals, which all ranks have, are terms of rank 0's: they come first, as where one process adds up.
    for (const size_t i : order) {
      if (!world->is_first()) break;
      terms[i].second = graph.add_node(std::make_shared<SumOp>(), {totals[i].second, terms[i].second})[0];
    }
    terms = sum_over_ranks(graph, *world, terms, order);
    clear(graph, totals);
  }
  for (size_t i = 0; i < terms.size(); ++i) {
    graph.add_node(std::make_shared<AccumulateOp>(), {totals[i].second, terms[i].second});
  }
  return totals;
}

Gradients import_totals(Graph& update, const Graph& from, const Gradients& totals) {
  Gradients imported;
  for (const auto& [weight, total] : totals) {
    imported.emplace_back(import_variable(update, from, from.value(weight).name),
                          import_variable(update, from, from.value(total).name));
  }
  return imported;
}

void clear(Graph& update, const Gradients& totals) {
  for (const auto& [weight, total] : totals) update.add_node(std::make_shared<ClearOp>(), {total});
}

void add_updates(Graph& graph, const StepOptions& options, const std::map<std::string, double>& scales,
                 const Gradients& gradients) {
  ValueId factor = kNoValue;
  if (options.clip_grad_norm > 0) {
    std::vector<ValueId> all;
    for (const auto& [weight, gradient] : gradients) all.push_back(gradient);
    factor = graph.add_node(std::make_shared<ClipFactorOp>(options.clip_grad_norm), all)[0];
  }
  const UpdateRules rules{options, scales, find_optimizer(options.optimizer.name)};
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
