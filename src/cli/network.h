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

namespace convoy::cli {

std::vector<std::string> model_names();

struct Network {
  std::string name;                      // as it was given
  std::shared_ptr<const Model> of_file;  // where only a model file knows it
  const Model* model = nullptr;
  ModelOptions options;
  Shape input;  // {N, H, W, 3}

  // For inference on `input`, its result being the output "logits".
  Graph build() const;
};

// MODEL and the flags that shape it.
class NetworkFlags {
 public:
  explicit NetworkFlags(CLI::App& app);

  // Throws UsageError for an unknown model and for flags that a model file leaves no choice of, Error for a file that
  // is none.
  Network resolve() const;

 private:
  RecipeFlags recipe_;
  std::string model_;
  std::optional<int64_t> num_classes_;
  int64_t batch_size_ = 1;
};

}  // namespace convoy::cli
