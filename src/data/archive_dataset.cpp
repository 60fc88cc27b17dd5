#include "data/archive_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "convoy/error.h"
#include "core/buffer.h"
#include "data/archive.h"
#include "data/cifar.h"
#include "data/image_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

bool is_wanted(std::string_view path) {
  const fs::path parts(path);
  const bool hidden = std::ranges::any_of(
      parts, [](const fs::path& part) { return part.native().starts_with('.') || part == "__MACOSX"; });
  return !hidden && (is_image_name(parts) || is_cifar_name(parts.filename().native()));
}

// "a/" of "a/b/c.jpg", "" of "c.jpg".
std::string_view first_folder(std::string_view path) {
  const size_t slash = path.find('/');
  return slash == std::string_view::npos ? "" : path.substr(0, slash + 1);
}

// The folder around all images, which is not a class itself because it holds none directly; "" where there is none.
std::string folder_around(const std::vector<std::string>& images) {
  if (images.empty()) return "";
  const std::string_view top = first_folder(images.front());
  const bool around_all = std::ranges::all_of(images, [&](std::string_view image) {
    return image.starts_with(top) && !first_folder(image.substr(top.size())).empty();
  });
  return around_all ? std::string(top) : "";
}

// The images in the class folders of `root`; null where it has none.
DatasetPtr open_classes(const FileTreePtr& tree, const std::vector<std::string>& images, const std::string& root) {
  std::map<std::string_view, std::vector<std::string>> classes;
  for (const std::string_view image : images) {
    if (!image.starts_with(root)) continue;
    const std::string_view folder = first_folder(image.substr(root.size()));
    if (!folder.empty()) classes[folder.substr(0, folder.size() - 1)].emplace_back(image);
  }
  if (classes.empty()) return nullptr;
  std::vector<std::string> class_names;
  std::vector<LabelledFile> files;
  for (auto& [name, paths] : classes) {
    for (std::string& path : paths) files.push_back({std::move(path), static_cast<int>(class_names.size())});
    class_names.emplace_back(name);
  }
  return make_image_files(tree, std::move(class_names), std::move(files));
}

}  // namespace

TrainVal open_archive(const fs::path& file) {
  const auto archive = std::make_shared<const Archive>(file, is_wanted, available_memory() / 2);
  std::vector<std::string> paths = archive->paths();
  const std::string first = paths.empty() ? "" : std::string(first_folder(paths.front()));
  for (const std::string& folder : {std::string(), first}) {
    if (has_cifar_files(*archive, folder)) {
      return {open_cifar(*archive, folder, Split::train), open_cifar(*archive, folder, Split::val)};
    }
  }
  std::erase_if(paths, [](const std::string& path) { return !is_image_name(path); });
  const std::string root = folder_around(paths);
  if (DatasetPtr train = open_classes(archive, paths, root + "train/")) {
    for (const std::string_view name : kValFolders) {
      if (DatasetPtr val = open_classes(archive, paths, fmt::format("{}{}/", root, name))) return {train, val};
    }
    return {train, nullptr};
  }
  if (DatasetPtr images = open_classes(archive, paths, root)) return {images, images};
  throw Error(fmt::format("{}: expected an archive of one folder a class, found {}", file.string(),
                          paths.empty() ? "no images (.jpg, .jpeg, .png or .webp)" : "images without folders"));
}

}  // namespace convoy
