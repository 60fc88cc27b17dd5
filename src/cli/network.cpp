#include "cli/network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace convoy::cli {

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Model& model : models()) names.push_back(model.name);
  return names;
}

void NetworkFlags::declare(CLI::App& app) {
  app.add_option("MODEL", model, "The network; `convoy models` lists all")
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

Shape NetworkFlags::input() const {
  const int64_t size = settings().img_size.value_or(chosen().image_size);
  return {batch_size, size, size, 3};
}

ModelOptions NetworkFlags::options() const {
  ModelOptions options = model_options(settings());
  options.num_classes = num_classes > 0 ? num_classes : chosen().num_classes;
  return options;
}

Graph NetworkFlags::build(Mode mode) const {
  Graph graph(mode);
  const Value images(&graph, graph.add_input("images", {input()}));
  graph.set_output("logits", build_network(chosen(), Builder(graph), images, options()).id());
  return graph;
}

}  // namespace convoy::cli
