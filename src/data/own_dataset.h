// Opening datasets of a program's own.
#pragma once

#include <filesystem>
#include <optional>

#include "convoy/own_dataset.h"
#include "data/dataset.h"

namespace convoy {

// The dataset of that name; nullopt where there is a file or folder, or no such dataset. Throws Error when the dataset
// is not as convoy/own_dataset.h says; FileError, with the name of a dataset, when `root` was probably meant to be
// that.
std::optional<TrainVal> open_own_dataset(const std::filesystem::path& root);

}  // namespace convoy
