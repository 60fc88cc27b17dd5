// The folder of a run.
#pragma once

#include <filesystem>
#include <string>

#include "convoy/recipe.h"

namespace convoy {

// Settles recipe.experiment and returns the folder <output>/<experiment>, without touching the disk. An experiment that
// the recipe does not name is called after the network: the last run of that name when the recipe resumes, a new one
// (resnet18, resnet18-2, ...) otherwise. Throws UsageError when the named folder holds a run that is not to be resumed.
std::filesystem::path settle_run_folder(Recipe& recipe);

// Creates the folder, writes recipe.toml, and adds a line "convoy <version>: <command>" to command.txt.
// Throws Error when the disk does not take them.
void begin_run_folder(const std::filesystem::path& folder, const Recipe& recipe, const std::string& command);

}  // namespace convoy
