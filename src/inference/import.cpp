#include "convoy/import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "convoy/error.h"
#include "data/recipe_images.h"
#include "formats/strict_json.h"
#include "inference/model_file.h"
#include "inference/onnx_file.h"
#include "inference/source_card.h"
#include "inference/source_options.h"
#include "inference/weight_import.h"
#include "plan/network_graph.h"

namespace convoy {
namespace {

std::vector<std::string> numbered_classes(int64_t count) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

// What the file, a model file or another program's, says of its images.
SourceCard source_of(const std::optional<ModelCard>& card, const SourceCard& told) {
  if (!card) return told;
  const Preprocessing& own = card->preprocessing;
  return {.model = card->architecture,
          .class_names = card->class_names,
          .image_size = own.image_size,
          .resize_mode = own.resize_mode,
          .crop_pct = own.crop_pct,
          .interpolation = own.interpolation,
          .mean = own.mean,
          .std = own.std};
}

// What the recipe says of the images; what it leaves at its default is the source's.
Preprocessing merged(const Recipe& recipe, const Model& model, const SourceCard& source) {
  Preprocessing result = preprocessing_of(recipe, recipe.img_size.value_or(model.image_size));
  const Preprocessing initial = preprocessing_of(Recipe(), model.image_size);
  if (!recipe.img_size) result.image_size = source.image_size.value_or(result.image_size);
  const auto take = [](auto& value, const auto& initial_value, const auto& own) {
    if (value == initial_value && own) value = *own;
  };
  take(result.resize_mode, initial.resize_mode, source.resize_mode);
  take(result.crop_pct, initial.crop_pct, source.crop_pct);
  take(result.interpolation, initial.interpolation, source.interpolation);
  take(result.mean, initial.mean, source.mean);
  take(result.std, initial.std, source.std);
  return result;
}

std::string description_of(const Preprocessing& preprocessing) {
  const bool squash = preprocessing.resize_mode == ResizeMode::squash;
  return fmt::format("{} px, {}, {}, mean {}, std {}", preprocessing.image_size,
                     squash ? "squashed" : fmt::format("crop {:.4g}", preprocessing.crop_pct),
                     to_string(preprocessing.interpolation), fmt::join(preprocessing.mean, " "),
                     fmt::join(preprocessing.std, " "));
}

// Takes `strip` off the names and replaces texts in them.
void edit_names(Checkpoint& checkpoint, const ImportOptions& options) {
  std::vector<bool> used(options.rename.size());
  bool stripped = options.strip.empty();
  checkpoint.rename([&](const std::string& old_name) {
    std::string name = old_name;
    if (!options.strip.empty() && name.starts_with(options.strip)) {
      name.erase(0, options.strip.size());
      stripped = true;
    }
    for (size_t i = 0; i < options.rename.size(); ++i) {
      const auto& [from, to] = options.rename[i];
      for (size_t at = name.find(from); at != std::string::npos; at = name.find(from, at + to.size())) {
        name.replace(at, from.size(), to);
        used[i] = true;
      }
    }
    return name;
  });
  if (!stripped) {
    throw UsageError(fmt::format("strip: no tensor of {} has a name that begins with {}", checkpoint.path().string(),
                                 quote_name(options.strip)));
  }
  const auto unused = std::ranges::find(used, false);
  if (unused != used.end()) {
    throw UsageError(fmt::format("rename: no tensor of {} has {} in its name", checkpoint.path().string(),
                                 quote_name(options.rename[static_cast<size_t>(unused - used.begin())].first)));
  }
}

// The recipe's network, or else the file's.
std::string model_name(const Recipe& recipe, const SourceCard& source, const std::filesystem::path& file) {
  if (!recipe.model.empty()) return recipe.model;
  if (source.model.empty()) {
    throw UsageError(fmt::format("model: expected the network that the weights of {} belong to, which it does not say",
                                 file.string()));
  }
  return source.model;
}

// Whether `name` is what another library calls a network that has the names of this one.
bool is_variant_of(const Model& model, const std::string& name) {
  const SourceNetwork* network = find_source_network(name);
  return network != nullptr && network->model == model.name;
}

void refuse_options_of_checkpoints(const ImportOptions& options) {
  const std::pair<bool, const char*> given[] = {
      {!options.key.empty(), "key"},       {!options.strip.empty(), "strip"},
      {!options.rename.empty(), "rename"}, {options.source_layout.has_value(), "source-layout"},
      {options.by_order, "by-order"},      {options.num_classes.has_value(), "num-classes"}};
  for (const auto& [is_given, name] : given) {
    if (is_given) throw UsageError(fmt::format("{}: an ONNX model is imported as it is; leave it out", name));
  }
}

void import_onnx(const std::filesystem::path& file, const ImportOptions& options, const std::filesystem::path& output,
                 ImportReport& report) {
  refuse_options_of_checkpoints(options);
  const std::string name = options.recipe.model.empty() ? file.filename().string() : options.recipe.model;
  if (models().contains(name)) {
    throw UsageError(fmt::format("model: {} is a network of Convoy's; give the imported one another name", name));
  }
  const OnnxFile onnx = read_onnx_file(file, name, options.recipe.img_size);
  if (const int64_t size = onnx.network->image_size; options.recipe.img_size.value_or(size) != size) {
    throw UsageError(fmt::format("img-size: {} takes images of {} pixels, not of {}", file.string(), size,
                                 *options.recipe.img_size));
  }
  SourceCard told;
  told.class_names = onnx.class_names;
  const SourceCard source = source_of(onnx.card, told);
  ModelCard card;
  card.architecture = name;
  card.class_names = options.class_names;
  card.network = onnx.network;
  card.options.num_classes = card.network->num_classes;
  card.preprocessing = merged(options.recipe, *card.network, source);
  card.preprocessing.image_size = static_cast<int>(card.network->image_size);
  check(card.preprocessing);
  const auto classes = static_cast<size_t>(card.options.num_classes);
  report.told_class_names = card.class_names.empty() && source.class_names.size() == classes;
  if (report.told_class_names) card.class_names = source.class_names;
  if (card.class_names.empty()) card.class_names = numbered_classes(card.options.num_classes);
  if (card.class_names.size() != classes) {
    throw UsageError(fmt::format("class-names: expected {} names, got {}", classes, card.class_names.size()));
  }
  report.format = onnx.softmax ? "ONNX, without the softmax at its end" : "ONNX";
  report.whole_network = true;
  report.model = name;
  report.num_classes = report.file_classes = card.options.num_classes;
  report.preprocessing = description_of(card.preprocessing);
  report.told_preprocessing = source.has_preprocessing();
  for (const auto& [weight, origin] : onnx.sources) report.imported.push_back({weight, origin});
  write_model_file(output, card, graph_of(card, file), "", onnx.variables);
}

}  // namespace

void import_model(const std::filesystem::path& file, const ImportOptions& options, const std::filesystem::path& output,
                  ImportReport* report) {
  if (is_onnx_file(file)) {
    ImportReport own;
    return import_onnx(file, options, output, report == nullptr ? own : *report);
  }
  Checkpoint checkpoint(file, options.key);
  if (!options.strip.empty() || !options.rename.empty()) edit_names(checkpoint, options);
  if (options.source_layout) checkpoint.set_layout(*options.source_layout);
  const std::optional<ModelCard> own_card = find_model_card(checkpoint);
  const SourceCard source = source_of(own_card, source_card(checkpoint.notes()));
  Recipe recipe = options.recipe;
  recipe.model = model_name(recipe, source, file);
  const Model& model = find_model_or_source(recipe.model);
  if (recipe.model == model.name && is_variant_of(model, source.model)) recipe.model = source.model;
  const std::vector<std::string> unread = checkpoint.unread();
  ModelCard card{.architecture = model.name,
                 .options = model_options(recipe),
                 .preprocessing = merged(recipe, model, source),
                 .class_names = options.class_names,
                 .metrics = {},
                 .training = own_card ? own_card->training : std::nullopt};
  check(card.preprocessing);
  const int64_t image_size = card.preprocessing.image_size;
  const WeightImport weights(std::move(checkpoint), model, card.options, image_size, options.num_classes,
                             options.by_order);
  const bool told_names = options.class_names.empty() && weights.report().new_head.empty() &&
                          source.class_names.size() == static_cast<size_t>(weights.report().num_classes);
  if (report != nullptr) {
    *report = weights.report();
    report->unread = unread;
    report->model = model.name;
    report->told_class_names = told_names;
    report->preprocessing = description_of(card.preprocessing);
    report->told_preprocessing = source.has_preprocessing();
  }
  if (const std::string problem = weights.problem(options.allow_missing, options.allow_unexpected); !problem.empty()) {
    throw UsageError(problem);
  }
  const std::vector<SourceNetwork> networks = networks_behind(weights.naming(), own_card, model);
  const SourceNetwork* network = choose_network(networks, recipe, file.string());
  if (network != nullptr) apply(*network, recipe, card.options);
  if (report != nullptr && network != nullptr) report->options = flags_of(*network);
  card.options.num_classes = weights.report().num_classes;
  if (told_names) card.class_names = source.class_names;
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
