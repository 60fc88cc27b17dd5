// CIFAR-10 and CIFAR-100 in the binary form that their authors publish.
// Format: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version": records of one (CIFAR-10) or two (coarse,
// fine; CIFAR-100) label bytes and 3072 pixel bytes, the red plane first.
#pragma once

#include <string_view>

#include "data/dataset.h"
#include "data/file_tree.h"

namespace convoy {

// True when `folder` of the tree ("" or one with a slash at its end), or the cifar-10-batches-bin or cifar-100-binary
// folder in it, holds binary CIFAR files.
bool has_cifar_files(const FileTree& tree, const std::string& folder);

// The training or test images; nullptr when has_cifar_files(tree, folder) is false. CIFAR-100 has its fine labels.
// Throws Error when a file is missing, has a wrong size, or holds a label out of range.
DatasetPtr open_cifar(const FileTree& tree, const std::string& folder, Split split);

// Whether `file_name` is one of those that CIFAR is published in.
bool is_cifar_name(std::string_view file_name);

}  // namespace convoy
