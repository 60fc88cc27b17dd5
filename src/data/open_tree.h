// A folder or an archive as a tree of files.
#pragma once

#include <filesystem>

#include "data/file_tree.h"

namespace convoy {

// Of an archive, images and what CIFAR is published in are kept, in at most half of the memory that is available.
// Throws Error when there is nothing of that name, and as Archive does.
FileTreePtr open_tree(const std::filesystem::path& root);

}  // namespace convoy
