// Building a network by name for the commands that look at one.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/recipe_flags.h"
#include "convoy/model.h"
#include "graph/graph.h"
#include "train/model_file.h"

namespace convoy::cli {

std::vector<std::string> model_names();

// MODEL and the flags that shape it, as they were given.
struct NetworkFlags {
  std::string model;
  int64_t num_classes = 0;  // 0: the network's own
  int64_t batch_size = 1;
  std::unique_ptr<RecipeFlags> recipe;  // its settings of images and network; none before `declare`

  void declare(CLI::App& app);
  // What a model file says of its network; nullopt where MODEL is a name. Throws Error for a file that is none.
  std::optional<ModelCard> card() const;
  // Throws UsageError for an unknown model.
  const Model& chosen() const;
  Shape input() const;
  ModelOptions options() const;
  Recipe settings() const { return recipe == nullptr ? Recipe() : recipe->resolve(); }
  // The network for inference on `input()`, its result being the output "logits".
  Graph build() const;
};

}  // namespace convoy::cli
