// CIFAR-10 and CIFAR-100 in the binary and Python forms that their authors publish.
// Formats: https://www.cs.toronto.edu/~kriz/cifar.html. Binary files are records of one (CIFAR-10) or two (coarse,
// fine; CIFAR-100) label bytes and 3072 pixel bytes, the red plane first; Python's are pickles of the same pixels and
// labels.
#pragma once

#include <string_view>

#include "data/dataset.h"
#include "data/file_tree.h"

namespace convoy {

// True when `folder` of the tree ("" or one with a slash at its end), or the folder in it that a published archive
// unpacks to (cifar-10-batches-bin, cifar-100-binary, cifar-10-batches-py, cifar-100-python), holds CIFAR files.
bool has_cifar_files(const FileTree& tree, const std::string& folder);

// The training or test images; nullptr when has_cifar_files(tree, folder) is false. CIFAR-100 has its fine labels.
// Throws Error when a file is missing, has a wrong size, or holds a label out of range.
DatasetPtr open_cifar(const FileTree& tree, const std::string& folder, Split split);

// Whether `file_name` is one of those that CIFAR is published in.
bool is_cifar_name(std::string_view file_name);

}  // namespace convoy
