#include "cli/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/trained.h"
#include "convoy/error.h"
#include "inference/model_file.h"
#include "plan/network_graph.h"

namespace convoy::cli {
namespace {

constexpr std::string_view kFields[] = {"img-size", "width", "asymmetry-rate", "act", "bn-eps", "padding", "acnet"};

[[noreturn]] void refuse(std::string_view flag) {
  throw UsageError(fmt::format("--{}: expected none beside a model file, which has its own", flag));
}

}  // namespace

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Model& model : models()) names.push_back(model.name);
  return names;
}

Graph Network::build() const { return inference_graph(*model, options, input); }

NetworkFlags::NetworkFlags(CLI::App& app) : recipe_(app, kFields) {
  app.add_option("MODEL", model_, "The network, by name (`convoy models` lists all) or a model file or run folder")
      ->required()
      ->type_name("NAME|FILE");
  const CLI::Range positive(int64_t{1}, int64_t{65536});
  app.add_option("--num-classes", num_classes_, "Classes [the network's own]")->check(positive)->type_name("N");
  app.add_option("-b,--batch-size", batch_size_, fmt::format("Images at once [{}]", batch_size_))
      ->check(positive)
      ->type_name("N");
}

Network NetworkFlags::resolve() const {
  const Recipe settings = recipe_.resolve();
  Network network;
  network.name = model_;
  int64_t image_size = 0;
  const bool is_name = models().contains(model_);
  if (is_name || !std::filesystem::exists(model_)) {
    network.model = &find_model(model_);
    network.options = model_options(settings);
    network.options.num_classes = num_classes_.value_or(network.model->num_classes);
    image_size = network.model->image_size;
  } else {
    const ModelCard card = read_model_card(SafetensorsReader(named_model_file(model_)));
    if (num_classes_) refuse("num-classes");
    for (const std::string_view flag : recipe_.given()) {
      if (flag != "recipe" && flag != "img-size") refuse(flag);
    }
    network.of_file = card.network;
    network.model = &model_of(card);
    network.options = card.options;
    image_size = card.preprocessing.image_size;
  }
  image_size = settings.img_size.value_or(image_size);
  network.input = {batch_size_, image_size, image_size, 3};
  return network;
}

}  // namespace convoy::cli
