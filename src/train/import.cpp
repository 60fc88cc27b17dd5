#include "convoy/import.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "plan/network_graph.h"
#include "train/model_file.h"
#include "train/run_data.h"
#include "train/weight_import.h"

namespace convoy {
namespace {

std::vector<std::string> numbered_classes(int64_t count) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

// What the recipe says of the images; what it leaves at its default is the source's.
Preprocessing merged(const Recipe& recipe, const Model& model, const std::optional<ModelCard>& source) {
  Preprocessing result = preprocessing_of(recipe, recipe.img_size.value_or(model.image_size));
  if (!source) return result;
  const Preprocessing initial = preprocessing_of(Recipe(), model.image_size), &own = source->preprocessing;
  if (!recipe.img_size) result.image_size = own.image_size;
  if (result.resize_mode == initial.resize_mode) result.resize_mode = own.resize_mode;
  if (result.crop_pct == initial.crop_pct) result.crop_pct = own.crop_pct;
  if (result.interpolation == initial.interpolation) result.interpolation = own.interpolation;
  if (result.mean == initial.mean) result.mean = own.mean;
  if (result.std == initial.std) result.std = own.std;
  return result;
}

}  // namespace

void import_model(const std::filesystem::path& file, const ImportOptions& options, const std::filesystem::path& output,
                  ImportReport* report) {
  const Recipe& recipe = options.recipe;
  const Model& model = find_model(recipe.model);
  Checkpoint checkpoint(file, options.key);
  const std::optional<ModelCard> source = find_model_card(checkpoint);
  ModelCard card{.architecture = model.name,
                 .options = model_options(recipe),
                 .preprocessing = merged(recipe, model, source),
                 .class_names = options.class_names,
                 .metrics = {},
                 .training = source ? source->training : std::nullopt};
  check(card.preprocessing);
  const int64_t image_size = card.preprocessing.image_size;
  const WeightImport weights(std::move(checkpoint), model, card.options, image_size, options.num_classes);
  if (report != nullptr) *report = weights.report();
  if (const std::string problem = weights.problem(options.allow_missing, options.allow_unexpected); !problem.empty()) {
    throw UsageError(problem);
  }
  card.options.num_classes = weights.report().num_classes;
  if (card.class_names.empty() && source && weights.report().new_head.empty()) card.class_names = source->class_names;
  if (card.class_names.empty()) card.class_names = numbered_classes(card.options.num_classes);
  if (card.class_names.size() != static_cast<size_t>(card.options.num_classes)) {
    throw UsageError(
        fmt::format("class-names: expected {} names, got {}", card.options.num_classes, card.class_names.size()));
  }
  const Graph graph = inference_graph(model, card.options, {1, image_size, image_size, 3});
  Variables variables;
  variables.add(graph, static_cast<uint64_t>(recipe.seed));
  weights.load(variables);
  write_model_file(output, card, graph, "", variables);
}

}  // namespace convoy
