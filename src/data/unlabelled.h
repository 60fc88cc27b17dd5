// Images without classes, for prediction.
#pragma once

#include <filesystem>
#include <vector>

#include "data/dataset.h"

namespace convoy {

// Every image that `paths` name (the file itself, or all those below a folder): one unnamed class. Throws Error when a
// path names none.
DatasetPtr open_unlabelled(const std::vector<std::filesystem::path>& paths);

}  // namespace convoy
