#include "train/step.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "ops/sum/sum.h"
#include "plan/maps.h"
#include "plan/network_graph.h"
#include "train/freeze.h"
#include "train/loss.h"
#include "train/rank_sums.h"
#include "train/updates.h"

namespace convoy {
namespace {

// Whoever trains has as much.
constexpr size_t kSmallArena = size_t{128} << 20;

std::vector<std::string> variable_names(const Graph& graph) {
  std::vector<std::string> names;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    if (graph.value(id).is_variable()) names.push_back(graph.value(id).name);
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
    : accumulate_(options.accumulate),
      whole_(Mode::training),
      program_options_{.exact = options.exact, .backend = variables.backend(), .maps = map_type(options.precision)} {
  if (options.model_options.fused) {
    throw UsageError(
        fmt::format("{}: a fused network cannot be trained; train the form it was made of", options.model->name));
  }
  Graph graph(Mode::training);
  const Value images = add_images(graph, options.batch_size, options.image_size);
  const Value logits = build_network(*options.model, Builder(graph), images, options.model_options);
  for (const ValueId weight : graph.parameters()) {
    if (graph.value(weight).type.dtype == DType::f32) continue;
    throw UsageError(fmt::format("{}: a quantised network cannot be trained; train the one that it was made of",
                                 options.model->name));
  }
  const Value targets{&graph, graph.add_input("targets", {logits.shape()})};
  const Value loss = build_loss(options.loss, logits, targets, options.label_smoothing);
  graph.set_output("loss", loss.id());
  graph.set_output("logits", logits.id());
  const std::vector<std::string> names = variable_names(graph);
  const bool followers_are_new = !have_followers(variables, names.front());
  const std::map<std::string, double> scales = learning_rate_scales(graph, options.optimizer);
  freeze_norms(graph, options.frozen, options.freeze_stats);
  plain_text_ = graph.to_string();
  append(pass_reports_, run_passes(graph, forward_passes(), options.disabled_passes));
  if (options.sync_batch_norm && options.world != nullptr) synchronise_norms(graph, *options.world);

  std::set<ValueId> trained;
  for (const ValueId id : graph.parameters()) {
    if (!options.frozen.contains(graph.value(id).name)) trained.insert(id);
  }
  const std::pair<ValueId, ValueId> seed_gradient{
      loss.id(), graph.add_constant(Shape{}, static_cast<float>(options.share / options.accumulate))};
  Gradients gradients;
  for (const auto& gradient : differentiate(graph, {&seed_gradient, 1}, trained, std::make_shared<SumOp>(true))) {
    gradients.push_back(gradient);
  }

  const std::vector<ValueId> statistics = changed_states(graph);
  for (const ValueId id : statistics) statistics_.push_back(graph.value(id).name);

  Graph update(Mode::training);
  const bool updates_later = options.accumulate > 1 || options.slices > 1;
  if (options.world != nullptr && options.slices == 1 && !options.sync_batch_norm) {
    average_statistics(graph, *options.world, statistics, options.share);
  }
  if (updates_later) {
    gradients = accumulate(graph, options.world, gradients);
  } else if (options.world != nullptr) {
    gradients = sum_over_ranks(graph, *options.world, gradients, backward_order(graph, gradients));
  }
  if (!updates_later) {
    add_updates(graph, options, scales, gradients);
    add_followers(graph, options, names);
  } else {
    const Gradients totals = import_totals(update, graph, gradients);
    add_updates(update, options, scales, totals);
    clear(update, totals);
    for (const std::string& name : names) import_variable(update, graph, name);
    add_followers(update, options, names);
  }
  append(pass_reports_, run_passes(graph, step_passes(), options.disabled_passes));
  variables.add(graph, seed);
  variables.add(update, seed);
  if (followers_are_new) start_followers(variables, names);
  whole_ = std::move(graph);
  batch_ = std::make_unique<Program>(whole_, program_options_);
  whole_bytes_ = batch_->arena_bytes();
  if (options.repeat_work > 0 && whole_bytes_ > kSmallArena) {
    plan(recompute_within(whole_, program_options_, options.repeat_work));
  }
  if (updates_later) {
    update_ = std::make_unique<Program>(std::move(update), ProgramOptions{.backend = variables.backend()});
  }
}

void TrainingStep::plan(Recomputation recomputed) {
  verify_graph(recomputed.graph);
  batch_ = std::make_unique<Program>(std::move(recomputed.graph), program_options_);
  repeated_ = {
      .nodes = recomputed.nodes, .share = recomputed.work, .saved_bytes = whole_bytes_ - batch_->arena_bytes()};
}

bool TrainingStep::fit(size_t arena_bytes) {
  if (batch_->arena_bytes() <= arena_bytes) return true;
  std::optional<Recomputation> smaller = recompute(whole_, program_options_, arena_bytes);
  if (!smaller) return false;
  plan(std::move(*smaller));
  return true;
}

size_t TrainingStep::smallest_arena() const { return convoy::smallest_arena(whole_, program_options_); }

void TrainingStep::bind(const Variables& variables, Buffer& arena) {
  batch_->bind(variables, arena);
  images_ = HostTensor(*batch_, "images");
  targets_ = HostTensor(*batch_, "targets");
  loss_ = HostTensor(*batch_, "loss");
  logits_ = HostTensor(*batch_, "logits");
  if (update_ == nullptr) return;
  update_arena_ = variables.backend().allocate(update_->arena_bytes());
  update_->bind(variables, update_arena_);
}

void TrainingStep::execute_slice(const StepScalars& step, Run run) {
  images_.upload();
  targets_.upload();
  (*batch_.*run)(step);
  loss_.download();
  logits_.download();
}

void TrainingStep::execute_update(const StepScalars& step, Run run) {
  if (update_ != nullptr && (step.step + 1) % accumulate_ == 0) (*update_.*run)(step);
}

bool can_normalise(const Model& model, const ModelOptions& options, int64_t batch_size, int64_t image_size) {
  Graph graph(Mode::training);
  build_network(model, Builder(graph), add_images(graph, batch_size, image_size), options);
  return std::ranges::none_of(graph.nodes(), [&](const Node& node) {
    if (node.op->name() != "batch_norm") return false;
    const Shape& shape = graph.value(node.inputs.front()).type.shape;
    return shape.elements() == shape[-1];
  });
}

}  // namespace convoy
