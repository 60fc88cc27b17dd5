// A model file of a network that was not trained, for tests of commands.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "inference/model_file.h"
#include "plan/variables.h"

namespace convoy {

// resnet9 on images of 32 pixels, with as many classes as there are names.
inline void write_drawn_resnet9(const std::filesystem::path& file, const std::vector<std::string>& class_names) {
  ModelCard card{.architecture = "resnet9",
                 .options = {.num_classes = static_cast<int64_t>(class_names.size())},
                 .preprocessing = {.image_size = 32},
                 .class_names = class_names,
                 .metrics = {},
                 .training = {}};
  const Graph graph = graph_of(card, file);
  Variables variables;
  variables.add(graph, 1);
  write_model_file(file, card, graph, "", variables);
}

}  // namespace convoy
