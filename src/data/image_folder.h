// Images that are files of a tree.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/file_tree.h"

namespace convoy {

struct LabelledFile {
  std::string path;  // in its tree
  int label = 0;
  size_t class_folder = 0;  // bytes of the path up to the end of its class folder's name and '/'
};

// The given images of `tree`.
DatasetPtr make_image_files(FileTreePtr tree, std::vector<std::string> class_names, std::vector<LabelledFile> files);

}  // namespace convoy
