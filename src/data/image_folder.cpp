#include "data/image_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "convoy/error.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

class ImageFiles : public Dataset {
 public:
  ImageFiles(FileTreePtr tree, std::vector<std::string> class_names, std::vector<LabelledFile> files)
      : tree_(std::move(tree)), class_names_(std::move(class_names)), files_(std::move(files)) {}

  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(int64_t index) const override { return at(index).label; }
  std::string name(int64_t index) const override { return tree_->name(at(index).path); }
  std::optional<std::vector<uint8_t>> encoded(int64_t index) const override { return tree_->read(at(index).path); }
  Image load(int64_t index) const override { return decode_image(tree_->read(at(index).path), name(index)); }
  Image load_with_damage(int64_t index, std::string& damage) const override {
    damage.clear();
    return decode_image(tree_->read(at(index).path), name(index), {}, &damage);
  }

 private:
  const LabelledFile& at(int64_t index) const { return files_[static_cast<size_t>(index)]; }

  FileTreePtr tree_;
  std::vector<std::string> class_names_;
  std::vector<LabelledFile> files_;
};

Error unreadable(const fs::filesystem_error& error) {
  return Error(fmt::format("{}: cannot be read: {}", error.path1().string(), error.code().message()));
}

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

std::vector<fs::path> sub_folders(const fs::path& root) {
  std::vector<fs::path> folders;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    if (entry.is_directory() && !is_hidden(entry.path())) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return folders;
}

}  // namespace

bool is_image_name(const fs::path& path) {
  constexpr std::array<std::string_view, 4> kExtensions{".jpg", ".jpeg", ".png", ".webp"};
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return !is_hidden(path) && std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

std::vector<fs::path> images_below(const fs::path& folder) try {
  std::vector<fs::path> files;
  fs::recursive_directory_iterator entries(folder, fs::directory_options::follow_directory_symlink);
  for (; entries != fs::recursive_directory_iterator(); ++entries) {
    // A symbolic link to a folder above would go round in a circle.
    constexpr int kMaxDepth = 32;
    if (entries.depth() > kMaxDepth)
      throw Error(fmt::format("{}: folders are nested more than {} deep", entries->path().string(), kMaxDepth));
    if (entries->is_directory() && is_hidden(entries->path())) entries.disable_recursion_pending();
    if (entries->is_regular_file() && is_image_name(entries->path())) files.push_back(entries->path());
  }
  std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return files;
} catch (const fs::filesystem_error& error) {
  throw unreadable(error);
}

DatasetPtr make_image_files(FileTreePtr tree, std::vector<std::string> class_names, std::vector<LabelledFile> files) {
  return std::make_shared<ImageFiles>(std::move(tree), std::move(class_names), std::move(files));
}

DatasetPtr open_image_folder(const fs::path& root) try {
  const std::vector<fs::path> folders = sub_folders(root);
  if (folders.empty()) {
    throw Error(fmt::format("{}: expected one sub-folder a class, {}", root.string(),
                            fs::is_empty(root) ? "the folder is empty" : "found no sub-folder"));
  }
  std::vector<std::string> names;
  for (const fs::path& folder : folders) names.push_back(folder.filename().string());
  std::vector<LabelledFile> images;
  for (size_t label = 0; label < folders.size(); ++label) {
    const std::vector<fs::path> files = images_below(folders[label]);
    if (files.empty()) {
      throw Error(
          fmt::format("{}: the class folder has no images (.jpg, .jpeg, .png or .webp)", folders[label].string()));
    }
    for (const fs::path& file : files) images.push_back({file.string(), static_cast<int>(label)});
  }
  return make_image_files(make_folder_tree({}), std::move(names), std::move(images));
} catch (const fs::filesystem_error& error) {
  throw unreadable(error);
}

bool has_sub_folders(const fs::path& folder) try {
  return fs::is_directory(folder) && !sub_folders(folder).empty();
} catch (const fs::filesystem_error& error) {
  throw unreadable(error);
}

}  // namespace convoy
