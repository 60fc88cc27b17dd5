#include "data/unlabelled.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "data/image_folder.h"

namespace convoy {

namespace fs = std::filesystem;

DatasetPtr open_unlabelled(const std::vector<fs::path>& paths) {
  std::vector<LabelledFile> images;
  for (const fs::path& path : paths) {
    std::error_code unknown;
    if (!fs::is_directory(path, unknown)) {
      if (!fs::exists(path, unknown)) throw Error(fmt::format("{}: no such file or folder", path.string()));
      images.push_back({path.string(), 0});
      continue;
    }
    const std::vector<fs::path> files = images_below(path);
    if (files.empty())
      throw Error(fmt::format("{}: no images (.jpg, .jpeg, .png or .webp) below this folder", path.string()));
    for (const fs::path& file : files) images.push_back({file.string(), 0});
  }
  return make_image_files(make_folder_tree({}), {""}, std::move(images));
}

}  // namespace convoy
