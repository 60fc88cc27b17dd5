// Images in folders, one folder a class.
#pragma once

#include <array>
#include <filesystem>
#include <string_view>
#include <vector>

#include "data/dataset.h"
#include "data/file_tree.h"

namespace convoy {

// Folders of validation images beside train/, the first that is there.
inline constexpr std::array<std::string_view, 4> kValFolders{"val", "test", "valid", "validation"};

// Whether the last part of `path` looks like an image: ends in jpg, jpeg, png or webp, in any case, and is not hidden.
bool is_image_name(const std::filesystem::path& path);

// The images anywhere below `folder`, in byte-wise order of their paths. Throws Error when a folder cannot be read.
std::vector<std::filesystem::path> images_below(const std::filesystem::path& folder);

struct LabelledFile {
  std::string path;  // in its tree
  int label = 0;
};

// The given images of `tree`.
DatasetPtr make_image_files(FileTreePtr tree, std::vector<std::string> class_names, std::vector<LabelledFile> files);

// One class a sub-folder of `root`, the images anywhere below it. Throws Error as open_dataset.
DatasetPtr open_image_folder(const std::filesystem::path& root);

// True when `folder` is a folder with at least one sub-folder that is not hidden.
bool has_sub_folders(const std::filesystem::path& folder);

}  // namespace convoy
