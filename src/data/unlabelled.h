// Images without classes, for prediction.
#pragma once

#include <filesystem>
#include <vector>

#include "data/dataset.h"

namespace convoy {

// The images that `paths` name, of one unnamed class: each file, all images below a folder or in an archive, also in
// the archives below a folder, and the image that standard input brings for "-". What cannot be had of them, a missing
// file or an archive without images, is a sample whose load() throws the reason. Throws Error when `paths` is empty.
DatasetPtr open_unlabelled(const std::vector<std::filesystem::path>& paths);

}  // namespace convoy
