// Layer freezing: parameters that a training leaves as they are.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "convoy/model.h"
#include "convoy/recipe.h"
#include "graph/graph.h"

namespace convoy {

// Names of the parameters that `choice` freezes: "all-but-head" all that do not depend on the number of classes, else
// those below the modules that it lists, separated by commas ("conv1,layer1"); empty: none. Throws UsageError, with the
// nearest name, for a module that the network lacks, and when nothing is left to train.
std::set<std::string> frozen_parameters(const Model& model, const ModelOptions& options, int64_t image_size,
                                        std::string_view choice);

// Makes the batch norms that `stats` means use their stored statistics, and keep them. Those that are frozen are those
// of which every parameter is. For graphs without passes.
void freeze_norms(Graph& graph, const std::set<std::string>& frozen, Recipe::FreezeStats stats);

}  // namespace convoy
