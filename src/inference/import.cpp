#include "convoy/import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "core/random.h"
#include "data/recipe_images.h"
#include "formats/network_json.h"
#include "formats/onnx_model.h"
#include "formats/strict_json.h"
#include "inference/inference_step.h"
#include "inference/model_file.h"
#include "inference/onnx_import.h"
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

// Whether the network treats two images as each alone; its weights are in `variables`.
void check_images_apart(const ModelCard& card, Variables& variables) {
  const int64_t size = card.preprocessing.image_size, pixels = size * size * 3;
  std::vector<float> noise(static_cast<size_t>(2 * pixels));
  RandomStream random(0, "import");
  for (float& value : noise) value = random.uniform(-1, 1);
  const auto logits_of = [&](int64_t batch, int64_t first) {
    InferenceStep step(model_of(card), card.options, batch, size, variables, 0, {.exact = true});
    Buffer arena(step.arena_bytes());
    step.bind(variables, arena);
    for (int64_t i = 0; i < batch * pixels; ++i) {
      step.images()[i] = noise[static_cast<size_t>(first * pixels + i)];
    }
    step.run();
    return std::vector<float>(step.logits(), step.logits() + batch * card.options.num_classes);
  };
  const std::vector<float> both = logits_of(2, 0);
  std::vector<float> alone = logits_of(1, 0);
  const std::vector<float> second = logits_of(1, 1);
  alone.insert(alone.end(), second.begin(), second.end());
  float largest = 0, difference = 0;
  for (size_t i = 0; i < both.size(); ++i) {
    largest = std::max(largest, std::abs(alone[i]));
    difference = std::max(difference, std::abs(alone[i] - both[i]));
  }
  if (!(difference <= 1e-3F * largest)) {
    throw Error(
        fmt::format("two images at once give other logits than each alone (by {:.2g} of {:.2g}): the model is "
                    "written for one image; export it for batches of any size",
                    difference, largest));
  }
}

// What an ONNX model of Convoy's own says of its images and classes.
SourceCard source_of(const OnnxModel& model) {
  const auto card = model.metadata.find("convoy");
  try {
    if (card != model.metadata.end()) return source_of(card_from_text(card->second), {});
    SourceCard source;
    const auto names = model.metadata.find("class_names");
    if (names != model.metadata.end()) {
      source.class_names = parse_strict_json(names->second, 2, "class_names").get<std::vector<std::string>>();
    }
    return source;
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("its metadata is damaged: {}", quote_name(error.what())));
  }
}

bool is_onnx_file(const std::filesystem::path& file) { return file.extension() == ".onnx"; }

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
  const OnnxModel model = read_onnx(file);
  OnnxNetwork network = [&] {
    try {
      return onnx_network(model, options.recipe.img_size);
    } catch (const Error& error) {
      error.rethrow(fmt::format("{}: {}", file.string(), error.what()));
    }
  }();
  const SourceCard source = source_of(model);
  const std::string name = options.recipe.model.empty() ? file.filename().string() : options.recipe.model;
  if (models().contains(name)) {
    throw UsageError(fmt::format("model: {} is a network of Convoy's; give the imported one another name", name));
  }
  ModelCard card;
  card.architecture = name;
  card.class_names = options.class_names;
  card.network = std::make_shared<const Model>(network_from_json(network_to_json(network.graph), name));
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
  report.format = network.softmax ? "ONNX, without the softmax at its end" : "ONNX";
  report.whole_network = true;
  report.model = name;
  report.num_classes = report.file_classes = card.options.num_classes;
  report.preprocessing = description_of(card.preprocessing);
  report.told_preprocessing = source.has_preprocessing();
  for (const auto& [weight, origin] : network.sources) report.imported.push_back({weight, origin});
  const Graph graph = inference_graph(*card.network, card.options,
                                      {1, card.preprocessing.image_size, card.preprocessing.image_size, 3});
  Variables variables;
  variables.add(graph, std::nullopt);
  for (const auto& [weight, values] : network.weights) {
    if (variables.contains(weight)) variables.write(weight, values);
  }
  check_images_apart(card, variables);
  write_model_file(output, card, graph, "", variables);
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
