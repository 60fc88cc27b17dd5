#include "cli/network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "convoy/error.h"
#include "plan/network_graph.h"

namespace convoy::cli {

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Model& model : models()) names.push_back(model.name);
  return names;
}

void NetworkFlags::declare(CLI::App& app) {
  app.add_option("MODEL", model, "The network, by name (`convoy models` lists all) or a model file")
      ->required()
      ->type_name(fmt::format("{{{}}}", fmt::join(model_names(), ",")));
  const CLI::Range positive(int64_t{1}, int64_t{65536});
  app.add_option("--num-classes", num_classes, "Classes [the network's own]")->check(positive)->type_name("N");
  app.add_option("-b,--batch-size", batch_size, fmt::format("Images at once [{}]", batch_size))
      ->check(positive)
      ->type_name("N");
  static constexpr std::string_view kFields[] = {"img-size", "width", "asymmetry-rate", "act", "acnet"};
  recipe = std::make_unique<RecipeFlags>(app, kFields);
}

std::optional<ModelCard> NetworkFlags::card() const {
  const bool is_name = std::ranges::find(models(), model, &Model::name) != models().end();
  if (is_name || !std::filesystem::is_regular_file(model)) return std::nullopt;
  return read_model_card(SafetensorsReader(model));
}

const Model& NetworkFlags::chosen() const {
  const std::optional<ModelCard> file = card();
  return find_model(file ? file->architecture : model);
}

Shape NetworkFlags::input() const {
  const std::optional<ModelCard> file = card();
  const int64_t usual = file ? file->preprocessing.image_size : chosen().image_size;
  const int64_t size = settings().img_size.value_or(usual);
  return {batch_size, size, size, 3};
}

ModelOptions NetworkFlags::options() const {
  if (const std::optional<ModelCard> file = card()) {
    if (num_classes > 0) throw UsageError("--num-classes: a model file has its classes");
    return file->options;
  }
  ModelOptions options = model_options(settings());
  options.num_classes = num_classes > 0 ? num_classes : chosen().num_classes;
  return options;
}

Graph NetworkFlags::build() const { return inference_graph(chosen(), options(), input()); }

}  // namespace convoy::cli
