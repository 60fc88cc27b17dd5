#include "train/golden_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "convoy/error.h"
#include "convoy/model.h"
#include "formats/layout.h"
#include "inference/arena.h"
#include "plan/network_graph.h"

namespace convoy {
namespace {

const std::string kMomentum = "momentum/";

ModelOptions model_options(const Golden& golden) {
  return {.num_classes = golden.classes(), .dropout = 0, .drop_path = 0};
}

StepOptions step_options(const Golden& golden, Precision precision) {
  StepOptions options;
  options.model = &find_model(golden.model());
  options.model_options = model_options(golden);
  options.batch_size = golden.batch();
  options.image_size = golden.size();
  options.label_smoothing = static_cast<float>(golden.step().label_smoothing);
  options.exact = true;
  options.precision = precision;
  options.optimizer.momentum = static_cast<float>(golden.step().momentum);
  options.optimizer.weight_decay = static_cast<float>(golden.step().weight_decay);
  return options;
}

std::string name_of(const Golden& golden) {
  return fmt::format("{}: {} on {} images of {} pixels", golden.path().string(), golden.model(), golden.batch(),
                     golden.size());
}

// Throws Error where the weights, their momentum and their gradients have no room.
const Golden& checked(const Golden& golden) {
  const Graph graph = inference_graph(find_model(golden.model()), model_options(golden),
                                      {golden.batch(), golden.size(), golden.size(), 3});
  size_t bytes = 0;
  for (const ValueId id : graph.parameters()) {
    bytes += 3 * sizeof(float) * static_cast<size_t>(graph.value(id).type.shape.elements());
  }
  require_memory(bytes, name_of(golden));
  return golden;
}

std::vector<float> disturbed(std::vector<float> values, std::string_view name, uint64_t disturbance) {
  if (disturbance == 0) return values;
  const std::vector<float> noise = formula_uniform(name, disturbance, static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) values[i] *= 1 + 0x1p-21F * noise[i];
  return values;
}

}  // namespace

GoldenStep::GoldenStep(const Golden& golden, const Backend& backend, Precision precision)
    : golden_(checked(golden)),
      variables_(backend),
      training_(step_options(golden, precision), variables_, 0),
      inference_(find_model(golden.model()), model_options(golden), golden.batch(), golden.size(), variables_, 0,
                 {.exact = true, .precision = precision}),
      arena_(make_arena(std::max(training_.arena_bytes(), inference_.arena_bytes()), name_of(golden))) {
  check_names();
  training_.bind(variables_, arena_);
  inference_.bind(variables_, arena_);
  begin();
}

void GoldenStep::begin(uint64_t disturbance) {
  disturbance_ = disturbance;
  for (const auto& [name, variable] : variables_.all()) {
    std::vector<float> values(static_cast<size_t>(variable.elements()));
    if (!name.starts_with(kMomentum)) from_file_layout(variable.shape, variable.layout, start_of(name), values);
    variables_.write(name, values);
  }
}

void GoldenStep::check_names() const {
  std::set<std::string> in_file(golden_.parameters().begin(), golden_.parameters().end());
  in_file.insert(golden_.buffers().begin(), golden_.buffers().end());
  for (const auto& [name, variable] : variables_.all()) {
    if (!name.starts_with(kMomentum) && in_file.erase(name) == 0) {
      throw Error(fmt::format("{}: model {} has a tensor '{}', the file has none of that name", golden_.path().string(),
                              golden_.model(), name));
    }
  }
  if (!in_file.empty()) {
    throw Error(fmt::format("{}: the file has a tensor '{}', model {} has none of that name", golden_.path().string(),
                            *in_file.begin(), golden_.model()));
  }
}

std::vector<float> GoldenStep::start_of(const std::string& name) const {
  const Variables::Variable& variable = variables_.at(name);
  const Shape shape = file_shape(variable.shape, variable.layout);
  if (variable.kind != ValueKind::parameter) return golden_.buffer(name, shape.extents());
  return disturbed(golden_.parameter(name, shape.extents()), name, disturbance_);
}

void GoldenStep::set_images(float* into, uint64_t disturbance) const {
  const std::vector<float> images = disturbed(golden_.images(), "input", disturbance);
  nchw_to_nhwc({golden_.batch(), golden_.size(), golden_.size(), 3}, images, {into, images.size()});
}

void GoldenStep::train() {
  set_images(training_.images(), disturbance_);
  float* targets = training_.targets();
  for (const int64_t label : golden_.labels()) {
    std::fill_n(targets, golden_.classes(), 0.0F);
    targets[label] = 1;
    targets += golden_.classes();
  }
  training_.run({.seed = 0, .step = 0, .learning_rate = static_cast<float>(golden_.step().learning_rate)});
  logits_.assign(training_.logits(), training_.logits() + golden_.batch() * golden_.classes());
  loss_ = training_.loss();
}

std::vector<float> GoldenStep::infer(uint64_t disturbance) {
  set_images(inference_.images(), disturbance);
  inference_.run();
  return {inference_.logits(), inference_.logits() + golden_.batch() * golden_.classes()};
}

std::vector<float> GoldenStep::gradient(const std::string& parameter) const {
  // After the first step from rest the momentum is the gradient with its weight decay.
  std::vector<float> gradient = in_file_layout(parameter, variables_.read(kMomentum + parameter));
  const std::vector<float> start = start_of(parameter);
  const auto decay = static_cast<float>(golden_.step().weight_decay);
  for (size_t i = 0; i < gradient.size(); ++i) gradient[i] -= decay * start[i];
  return gradient;
}

std::vector<float> GoldenStep::variable(const std::string& name) const {
  return in_file_layout(name, variables_.read(name));
}

std::vector<float> GoldenStep::in_file_layout(const std::string& name, std::span<const float> values) const {
  const Variables::Variable& variable = variables_.at(name);
  std::vector<float> in_file(values.size());
  to_file_layout(variable.shape, variable.layout, values, in_file);
  return in_file;
}

}  // namespace convoy
