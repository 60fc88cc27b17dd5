#include "train/step.h"

#include <algorithm>
#include <utility>

#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "ops/optimizer/optimizer.h"
#include "ops/sum/sum.h"

namespace convoy {
namespace {

using Gradients = std::vector<std::pair<ValueId, ValueId>>;  // parameter, gradient

ValueId zero_state(Graph& graph, const std::string& kind, ValueId like) {
  return graph.add_state(kind + "/" + graph.value(like).name, graph.value(like).type.shape, 0);
}

// Copies a variable of another graph into this one, under its name.
ValueId import_variable(Graph& graph, const ValueInfo& info) {
  return info.kind == ValueKind::parameter ? graph.add_parameter(info.name, info.type.shape, info.start, info.layout)
                                           : graph.add_state(info.name, info.type.shape, info.start.value);
}

void add_update(Graph& graph, const OptimizerOptions& options, ValueId weight, ValueId gradient, ValueId factor) {
  const bool decays = options.decay_vectors || graph.value(weight).type.shape.rank() > 1;
  const float weight_decay = decays ? options.weight_decay : 0;
  if (options.kind == OptimizerOptions::Kind::sgd) {
    const ValueId momentum = options.momentum == 0 ? kNoValue : zero_state(graph, "momentum", weight);
    graph.add_node(std::make_shared<SgdOp>(SgdOp::Attributes{options.momentum, options.nesterov, weight_decay}),
                   {weight, momentum, gradient, factor});
    return;
  }
  const AdamOp::Attributes attributes{options.momentum, options.beta2, options.eps, weight_decay,
                                      options.kind == OptimizerOptions::Kind::adamw};
  graph.add_node(std::make_shared<AdamOp>(attributes), {weight, zero_state(graph, "moment1", weight),
                                                        zero_state(graph, "moment2", weight), gradient, factor});
}

void add_updates(Graph& graph, const StepOptions& options, const Gradients& gradients) {
  ValueId factor = kNoValue;
  if (options.clip_grad_norm > 0) {
    std::vector<ValueId> all;
    for (const auto& [weight, gradient] : gradients) all.push_back(gradient);
    factor = graph.add_node(std::make_shared<ClipFactorOp>(options.clip_grad_norm), all)[0];
  }
  for (const auto& [weight, gradient] : gradients) add_update(graph, options.optimizer, weight, gradient, factor);
}

// Averages of the parameters and of the model's own states (running statistics); `names` are the model's.
void add_averages(Graph& graph, float decay, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const ValueId id = graph.named(name);
    const ValueInfo info = graph.value(id);
    const ValueId average = graph.add_state("ema." + name, info.type.shape, info.start.value);
    graph.add_node(std::make_shared<MovingAverageOp>(decay), {average, id});
  }
}

// Averages start as what they average.
void start_averages(const Variables& variables, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const Variables::Variable& source = variables.at(name);
    std::copy_n(source.data, source.shape.elements(), variables.at("ema." + name).data);
  }
}

std::vector<std::string> variable_names(const Graph& graph) {
  std::vector<std::string> names;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueKind kind = graph.value(id).kind;
    if (kind == ValueKind::parameter || kind == ValueKind::state) names.push_back(graph.value(id).name);
  }
  return names;
}

Value add_images(Graph& graph, int64_t batch_size, int64_t image_size) {
  return {&graph, graph.add_input("images", {Shape{batch_size, image_size, image_size, 3}})};
}

void append(std::vector<PassReport>& to, const std::vector<PassReport>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

TrainingStep::TrainingStep(const StepOptions& options, Variables& variables, uint64_t seed)
    : accumulate_(options.accumulate) {
  Graph graph(Mode::training);
  const Value images = add_images(graph, options.batch_size, options.image_size);
  const Value logits = options.model->build(Builder(graph), images, options.model_options);
  const Value targets{&graph, graph.add_input("targets", {logits.shape()})};
  const Value loss = cross_entropy(logits, targets, options.label_smoothing);
  graph.set_output("loss", loss.id());
  graph.set_output("logits", logits.id());
  const std::vector<std::string> names = variable_names(graph);
  plain_text_ = graph.to_string();
  append(pass_reports_, run_passes(graph, forward_passes(), options.disabled_passes));

  const std::vector<ValueId> parameters = graph.parameters();
  const std::pair<ValueId, ValueId> seed_gradient{
      loss.id(), graph.add_constant(Shape{}, 1.0F / static_cast<float>(options.accumulate))};
  Gradients gradients;
  for (const auto& gradient :
       differentiate(graph, {&seed_gradient, 1}, {parameters.begin(), parameters.end()}, std::make_shared<SumOp>())) {
    gradients.push_back(gradient);
  }

  Graph update(Mode::training);
  if (options.accumulate == 1) {
    add_updates(graph, options, gradients);
    if (options.ema_decay > 0) add_averages(graph, options.ema_decay, names);
  } else {
    Gradients totals;
    for (const auto& [weight, gradient] : gradients) {
      const ValueId total = zero_state(graph, "gradient", weight);
      graph.add_node(std::make_shared<AccumulateOp>(), {total, gradient});
      totals.emplace_back(import_variable(update, graph.value(weight)), import_variable(update, graph.value(total)));
    }
    add_updates(update, options, totals);
    for (const auto& [weight, total] : totals) update.add_node(std::make_shared<ClearOp>(), {total});
    if (options.ema_decay > 0) {
      for (const std::string& name : names) {
        if (update.find_named(name) == kNoValue) import_variable(update, graph.value(graph.named(name)));
      }
      add_averages(update, options.ema_decay, names);
    }
  }
  append(pass_reports_, run_passes(graph, step_passes(), options.disabled_passes));
  const bool averages_are_new = options.ema_decay > 0 && !variables.contains("ema." + names.front());
  variables.add(graph, seed);
  variables.add(update, seed);
  if (averages_are_new) start_averages(variables, names);
  batch_ = std::make_unique<Program>(std::move(graph), ProgramOptions{.exact = options.exact});
  if (options.accumulate > 1) update_ = std::make_unique<Program>(std::move(update));
}

void TrainingStep::bind(const Variables& variables, Buffer& arena) {
  batch_->bind(variables, arena);
  if (update_ == nullptr) return;
  update_arena_ = Buffer(update_->arena_bytes());
  update_->bind(variables, update_arena_);
}

void TrainingStep::execute(const StepScalars& step, void (Program::*run)(const StepScalars&)) {
  (*batch_.*run)(step);
  if (update_ != nullptr && (step.step + 1) % accumulate_ == 0) (*update_.*run)(step);
}

InferenceStep::InferenceStep(const Model& model, const ModelOptions& options, int64_t batch_size, int64_t image_size,
                             bool averaged, Variables& variables, uint64_t seed, bool exact)
    : image_size_(image_size) {
  Graph graph(Mode::inference);
  const Value images = add_images(graph, batch_size, image_size);
  graph.set_output("logits", model.build(averaged ? Builder(graph) / "ema" : Builder(graph), images, options).id());
  run_passes(graph, forward_passes());
  variables.add(graph, seed);
  program_ = std::make_unique<Program>(std::move(graph), ProgramOptions{.exact = exact});
}

}  // namespace convoy
