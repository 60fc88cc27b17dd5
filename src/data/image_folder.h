// Images in folders, one folder a class.
#pragma once

#include <filesystem>

#include "data/dataset.h"

namespace convoy {

// One class a sub-folder of `root`, the images anywhere below it. Throws Error as open_dataset.
DatasetPtr open_image_folder(const std::filesystem::path& root);

// True when `folder` is a folder with at least one sub-folder that is not hidden.
bool has_sub_folders(const std::filesystem::path& folder);

}  // namespace convoy
