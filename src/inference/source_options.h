// How the network computes that a file's weights were trained in, as far as the file's names tell.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/model.h"
#include "convoy/recipe.h"
#include "inference/model_file.h"
#include "models/names/naming.h"

namespace convoy {

// The network of that name, ours or a source's: "tf_mobilenetv3_large_100" is mobilenet_v3_large. Throws UsageError for
// an unknown name.
const Model& find_model_or_source(std::string_view name);

// The networks that the weights may come from: that of the card of a model file, those of the naming; else none.
std::vector<SourceNetwork> networks_behind(const Naming* naming, const std::optional<ModelCard>& card,
                                           const Model& model);

// The one of them that the recipe's model names, or that does not contradict the recipe's bn_eps, padding and act;
// nullptr when there are none. Throws UsageError, which names the file and the choices, when several are left that
// compute differently.
const SourceNetwork* choose_network(const std::vector<SourceNetwork>& networks, const Recipe& recipe,
                                    std::string_view file);

// Sets those of the options that the recipe leaves open.
void apply(const SourceNetwork& network, const Recipe& recipe, ModelOptions& options);

// The flags that ask for it: "--bn-eps 0.001 --padding same".
std::string flags_of(const SourceNetwork& network);

}  // namespace convoy
