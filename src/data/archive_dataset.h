// Datasets inside tar archives.
#pragma once

#include <filesystem>

#include "data/dataset.h"

namespace convoy {

// The images of an archive that holds class folders, train/ beside val/ or test/ of such, or binary CIFAR files, each
// perhaps inside one folder around all; val is train where class folders are all there is, and null where train/ stands
// alone. Throws Error as Archive does, and when it holds none of these.
TrainVal open_archive(const std::filesystem::path& file);

}  // namespace convoy
