// Whether a fused network computes what the one that was trained does.
#pragma once

#include <filesystem>

#include "convoy/fuse.h"
#include "inference/model_file.h"
#include "plan/variables.h"

namespace convoy {

// One network in both forms, with the weights of each.
struct FusedForms {
  const Model& model;
  const ModelCard& card;
  const Graph& graph;  // of the original
  Variables &original, &fused;
};

// Infers the images of `options` with both forms, and with the original whose weights are disturbed, by exact kernels,
// and fills in what the report says of it, from `images` on.
void compare_forms(const FusedForms& forms, const FuseOptions& options, FuseReport& report);

// Throws Error, which names the file, when the forms differ by more than the report's tolerance, or when that is too
// large to tell anything and was not asked for.
void check_tolerance(const std::filesystem::path& file, const FuseOptions& options, const FuseReport& report);

}  // namespace convoy
