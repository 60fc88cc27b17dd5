// A model file of the small quantised network, for tests.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "inference/model_file.h"
#include "plan/quantized_testing.h"

namespace convoy {

// The card of a file that holds its network.
inline ModelCard quantized_card(int64_t classes, int side) {
  ModelCard card;
  card.architecture = "quantised";
  card.network = std::make_shared<const Model>(Model{.name = "quantised",
                                                     .description = "a test",
                                                     .image_size = side,
                                                     .num_classes = classes,
                                                     .build = quantized_net});
  card.options.num_classes = classes;
  card.preprocessing.image_size = side;
  for (int64_t i = 0; i < classes; ++i) card.class_names.push_back("class " + std::to_string(i));
  return card;
}

inline void write_quantized(const std::filesystem::path& file, const ModelCard& card) {
  const Graph graph = graph_of(card, file);
  Variables variables;
  draw_quantized(graph, variables);
  write_model_file(file, card, graph, "", variables);
}

}  // namespace convoy
