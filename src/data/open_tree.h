// A folder, an archive or shards as a tree of files.
#pragma once

#include <filesystem>

#include "data/file_tree.h"

namespace convoy {

// A path that is neither a folder nor a file may stand for shards (shards_of). Of archives, images, what CIFAR is
// published in and WebDataset's labels are kept, in at most half of the memory that is available. Throws Error when
// there is nothing of that name, as Archive does, and as make_sharded_tree.
FileTreePtr open_tree(const std::filesystem::path& root);

}  // namespace convoy
